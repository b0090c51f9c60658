"""How secrets look in text."""

from typing import Final

import re2

_PRIVATE_KEY: Final = (
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?s:.)*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)"
)
_AUTHORIZATION: Final = (
    r"""(?i)(authorization["']?\s*[:=]\s*["']?)"""
    r"""(?:(?:bearer|basic|digest|token|negotiate)\s+)?[^\s"',;]+"""
)
_COOKIE: Final = r"""(?i)\b((?:set-)?cookie["']?\s*[:=]\s*["']?)[^\r\n"']+"""
_BEARER: Final = r"(?i)\b(bearer\s+)[\w.~+/=-]{16,}"
_BASIC: Final = r"(?i)\b(basic\s+)[A-Za-z0-9+/]{10,}={1,2}"
_JWT: Final = r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"
_AWS_KEY: Final = r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA)[0-9A-Z]{16}\b"
_GIT_HOST_KEY: Final = r"\b(?:gh[pousr]_\w{36,}|github_pat_\w{22,}|glpat-[\w-]{20,})"
_SERVICE_KEY: Final = (
    r"\b(?:(?:sk|rk|pk)[-_](?:[\w-]*[-_])?[A-Za-z0-9]{20,}"
    r"|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{35}|hf_[A-Za-z0-9]{30,})"
)
# However a password is spelt, it ends at the last @ before a slash or a space.
_URL_USER: Final = r"""(?i)\b([a-z][a-z0-9+.-]*://)(?:[^/\s:@?#"']*:[^/\s"']*|[^/\s@?#"']+)@"""
_ASSIGNMENT: Final = (
    r"""(?i)((?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key"""
    r"""|private[_-]?key|credentials?)["']?\s*[:=]\s*)"""
    r"""(?:MARK|"[^"]*"?|'[^']*'?|[^\s"'&,;)}\]]+)"""
)


def secret_patterns(mark: str) -> tuple[tuple[str, str], ...]:
    """Return RE2 patterns of secrets, and what replaces a match of each so that *mark* stands."""
    # Order matters: a block or a header has to go as a whole before its parts look like secrets.
    return (
        (_PRIVATE_KEY, mark),
        (_AUTHORIZATION, rf"\1{mark}"),
        (_COOKIE, rf"\1{mark}"),
        (_BEARER, rf"\1{mark}"),
        (_BASIC, rf"\1{mark}"),
        (_JWT, mark),
        (_AWS_KEY, mark),
        (_GIT_HOST_KEY, mark),
        (_SERVICE_KEY, mark),
        (_URL_USER, rf"\1{mark}@"),
        (_ASSIGNMENT.replace("MARK", re2.escape(mark)), rf"\1{mark}"),
    )
