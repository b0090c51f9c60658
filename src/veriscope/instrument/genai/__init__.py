"""Generative AI calls: OpenTelemetry's semantic conventions as metrics and spans."""

from veriscope.instrument.genai.calls import GenAiMetrics
from veriscope.instrument.genai.inference import Inference
from veriscope.instrument.genai.prices import Price
from veriscope.instrument.genai.queueing import QueueTicket

__all__ = ["GenAiMetrics", "Inference", "Price", "QueueTicket"]
