"""
Requests that this process serves: middleware, response times, sketches.

Loads `prometheus_client`, and OpenTelemetry only where the application has set up tracing.
"""

from veriscope.instrument.requests.asgi import AsgiMiddleware
from veriscope.instrument.requests.sketch import DDSketch
from veriscope.instrument.requests.stats import RequestStats, ResponseTimes
from veriscope.instrument.requests.wsgi import WsgiMiddleware

__all__ = ["AsgiMiddleware", "DDSketch", "RequestStats", "ResponseTimes", "WsgiMiddleware"]
