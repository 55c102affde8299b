"""TLS on a TCP link, at either end: a context from its files, and what went wrong in words.

Modbus/TCP Security (MB-TCP-Security V2.1) is Modbus TCP inside TLS 1.2 or newer, on port 802, where both
ends show a certificate.
"""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

from sitewarden.drivers.plan import Tls

NO_TLS = "the other end does not speak TLS"
REASONS = {
    "WRONG_VERSION_NUMBER": NO_TLS,
    "PACKET_LENGTH_TOO_LONG": NO_TLS,
    "RECORD_LAYER_FAILURE": NO_TLS,
    "UNSUPPORTED_PROTOCOL": "the other end knows no TLS 1.2 or newer",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the other end knows no TLS 1.2 or newer",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the other end shows no certificate",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the other end wants a certificate of ours",
    "TLSV1_ALERT_UNKNOWN_CA": "the other end does not trust who signed our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the other end refuses our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our certificate has expired, says the other end",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the other end refuses our certificate",
    "KEY_VALUES_MISMATCH": "the key is of another certificate",
}
"""OpenSSL's words for what a person can mend."""


def calling(tls: Tls) -> ssl.SSLContext:
    """For a connection that we open. Reads the files, and raises OSError saying which is the matter."""
    return _context(tls, ssl.PROTOCOL_TLS_CLIENT)


def listening(tls: Tls, within: float, refused: Callable[[Exception], None]) -> ssl.SSLContext:
    """For connections that are opened to us: callers show a certificate of `ca`, within so many seconds.

    `refused` is told of callers that did not: asyncio hangs up on them without a word.
    """

    class Greeting(ssl.SSLObject):
        deadline: asyncio.TimerHandle | None = None

        def do_handshake(self) -> None:
            if self.deadline is None:
                loop = asyncio.get_running_loop()
                self.deadline = loop.call_later(within, refused, TimeoutError())
            try:
                super().do_handshake()
            except ssl.SSLWantReadError:
                raise
            except ssl.SSLError as error:
                self.deadline.cancel()
                refused(error)
                raise
            self.deadline.cancel()

    context = _context(tls, ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = Greeting
    return context


def why(error: Exception) -> str:
    """What to tell of a connection that failed."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"the certificate of the other end is refused: {error.verify_message}"
        case ssl.SSLError():
            return REASONS.get(error.reason or "", str(error))
        case TimeoutError():
            return str(error) or "no answer in time"
        case ConnectionResetError():
            return str(error) or "the other end hung up"
    return str(error) or type(error).__name__


def _context(tls: Tls, protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    for file in filter(None, (tls.ca, tls.cert, tls.key)):
        with Path(file).open("rb"):  # OpenSSL does not say which file it cannot read
            pass
    try:
        if tls.ca:
            context.load_verify_locations(tls.ca)
        else:
            context.load_default_certs()
    except ssl.SSLError as error:
        raise OSError(f"{tls.ca}: no certificate in PEM") from error
    try:
        if tls.cert:
            context.load_cert_chain(tls.cert, tls.key, password="")  # rather than ask at a terminal
    except ssl.SSLError as error:
        what = REASONS.get(error.reason or "", "no certificate and its key in PEM, without a password")
        raise OSError(f"{tls.cert}, {tls.key}: {what}") from error
    return context
