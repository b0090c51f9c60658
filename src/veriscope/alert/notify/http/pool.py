"""Connections as an `http_config` says: TLS, proxies and the headers of those."""

import ssl
from pathlib import Path
from threading import Lock
from typing import Any, Final
from urllib.request import getproxies_environment

import urllib3

from veriscope.alert.notify.http.config import HttpConfig, TlsConfig, TlsVersion, require_http_url
from veriscope.alert.notify.http.deadline import bound

_KEPT_OPEN: Final = 8  # to one host; as many groups as a lane tells of at the same time
_VERSIONS: Final = {
    TlsVersion.TLS10: ssl.TLSVersion.TLSv1,
    TlsVersion.TLS11: ssl.TLSVersion.TLSv1_1,
    TlsVersion.TLS12: ssl.TLSVersion.TLSv1_2,
    TlsVersion.TLS13: ssl.TLSVersion.TLSv1_3,
}


class Connections:
    """
    Keeps connections open between requests; made anew when a file of the TLS settings changes.

    `to` raises `OSError` (`ssl.SSLError` is one) where such a file cannot be used.
    """

    def __init__(self, config: HttpConfig) -> None:
        if config.proxy_url is not None:
            require_http_url(config.proxy_url.reveal(), "proxy_url")
        self._config = config
        self._lock = Lock()
        self._files: tuple[int, ...] | None = None
        self._context: ssl.SSLContext | None = None
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    def to(self, url: str) -> urllib3.PoolManager:
        """Return the connections through which *url* is reached."""
        proxy = self._proxy_of(url)
        with self._lock:
            files = _times_of(self._config.tls_config)
            if files != self._files:
                self._context = tls_context(self._config.tls_config)
                self._files = files
                self._pools = {}
            if proxy not in self._pools:
                self._pools[proxy] = self._pool(proxy)
            return self._pools[proxy]

    def _pool(self, proxy: str | None) -> urllib3.PoolManager:
        settings: dict[str, Any] = {"ssl_context": self._context, "maxsize": _KEPT_OPEN}
        if name := self._config.tls_config.server_name:
            settings |= {"server_hostname": name, "assert_hostname": name}
        if self._config.tls_config.insecure_skip_verify:
            settings |= {"cert_reqs": "CERT_NONE", "assert_hostname": False}
        if proxy is None:
            return bound(urllib3.PoolManager(**settings))
        headers = self._proxy_headers(proxy)
        return bound(urllib3.ProxyManager(proxy, proxy_headers=headers, **settings))

    def _proxy_headers(self, proxy: str) -> dict[str, str]:
        headers = {
            name: ", ".join(value.reveal() for value in values)
            for name, values in self._config.proxy_connect_header.items()
        }
        if auth := urllib3.util.parse_url(proxy).auth:
            headers |= urllib3.make_headers(proxy_basic_auth=auth)
        return headers

    def _proxy_of(self, url: str) -> str | None:
        config = self._config
        parts = urllib3.util.parse_url(url)
        host = parts.host or ""
        proxies: dict[str, str] = {}
        if config.proxy_url is not None:
            proxy = config.proxy_url.reveal()
            proxies = {"http": proxy, "https": proxy, "no": config.no_proxy}
        elif config.proxy_from_environment:
            proxies = getproxies_environment()
        if not proxies or _is_exempt(host, proxies.get("no", "")):
            return None
        return proxies.get(parts.scheme or "")


def tls_context(config: TlsConfig) -> ssl.SSLContext:
    """Return the settings of *config*; raises `OSError` where a file of it cannot be used."""
    context = ssl.create_default_context(cafile=config.ca_file, cadata=config.ca)
    if config.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if config.cert_file is not None:
        context.load_cert_chain(config.cert_file, config.key_file)
    context.minimum_version = _VERSIONS[config.min_version]
    if config.max_version is not None:
        context.maximum_version = _VERSIONS[config.max_version]
    return context


def _is_exempt(host: str, no_proxy: str) -> bool:
    """Tell whether *host* is reached directly: by its name, a domain above it, or `*`."""
    names = [name.strip().lower().lstrip(".") for name in no_proxy.split(",")]
    return "*" in names or any(
        host.lower() == name or host.lower().endswith(f".{name}") for name in names if name
    )


def _times_of(config: TlsConfig) -> tuple[int, ...]:
    files = (config.ca_file, config.cert_file, config.key_file)
    return tuple(Path(file).stat().st_mtime_ns for file in files if file is not None)
