"""NVIDIA's management library: loaded when it is there, restarted when a GPU was lost."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, NewType, TypeVar

from veriscope.collect.sensors import AbsentError, SourceLostError
from veriscope.signals import UnavailableError

Handle = NewType("Handle", object)
"""NVML's pointer to a device; void after a restart."""
T = TypeVar("T")


class NvmlError(UnavailableError):
    """NVML refused a call; the message is NVML's own, `code` its `nvmlReturn_t`."""

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code


class UnsupportedError(NvmlError, AbsentError):
    """This GPU or driver does not have what was asked for."""


class Nvml:
    """
    The one NVML of this process, reached through *library*.

    pynvml keeps a single library for a process, so all instances share the one loaded first.
    """

    def __init__(self, library: str) -> None:
        self._library = library
        self._api: Any = None
        self._lost_codes: frozenset[int] = frozenset()
        self._missing_codes: frozenset[int] = frozenset()
        self._absent_codes: frozenset[int] = frozenset()
        self._started = False

    @property
    def api(self) -> Any:
        """The `pynvml` module; only after `start`."""
        return self._api

    def start(self) -> None:
        """
        Load and initialise NVML; again, if it was started before.

        Raises `AbsentError` where there is no library, `UnavailableError` where it does not start.
        """
        self._load()
        self.stop()
        self.call(self.api.nvmlInit)
        self._started = True

    def stop(self) -> None:
        """Release NVML; every handle is void."""
        if self._started:
            self._started = False
            self.call(self.api.nvmlShutdown)

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """
        Call a function of `api`.

        Raises `NvmlError` where NVML refuses it, `SourceLostError` where the GPU is gone.
        """
        try:
            return function(*arguments)
        except self.api.NVMLError as error:
            code = int(error.value)
            if code in self._lost_codes:
                raise SourceLostError(str(error)) from error
            kind = UnsupportedError if code in self._absent_codes else NvmlError
            raise kind(str(error), code=code) from error

    def call_newest(self, functions: Sequence[Callable[..., T]], *arguments: object) -> T:
        """Call the first of *functions* that the installed driver has; as `call` otherwise."""
        *newer, oldest = functions
        for function in newer:
            try:
                return self.call(function, *arguments)
            except NvmlError as error:
                if error.code not in self._missing_codes:
                    raise
        return self.call(oldest, *arguments)

    def _load(self) -> None:
        if self._api is not None:
            return
        try:
            library = ctypes.CDLL(self._library)
        except OSError as error:
            raise AbsentError(f"no NVIDIA driver: {error}") from error
        # Only here, since pynvml takes several megabytes that a machine without GPU can keep.
        import pynvml  # noqa: PLC0415

        if pynvml.nvmlLib is None:
            pynvml.nvmlLib = library  # pynvml itself knows only the linker's default name
        self._lost_codes = frozenset(
            {
                pynvml.NVML_ERROR_GPU_IS_LOST,
                pynvml.NVML_ERROR_RESET_REQUIRED,
                pynvml.NVML_ERROR_UNINITIALIZED,
                pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
            }
        )
        self._missing_codes = frozenset(
            {
                pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
                pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
            }
        )
        self._absent_codes = self._missing_codes | {pynvml.NVML_ERROR_NOT_SUPPORTED}
        self._api = pynvml
