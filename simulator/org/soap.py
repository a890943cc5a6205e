"""The one call of the SOAP API that nothing else can do: `emptyRecycleBin` (SOAP API Developer Guide)."""

from xml.etree import ElementTree
from xml.sax.saxutils import escape

from aiohttp import web

from simulator.org import ids
from simulator.org.errors import SalesforceError
from simulator.org.objects import ObjectDefinition
from simulator.org.org import Org
from simulator.org.tokens import User

_PARTNER = "{urn:partner.soap.sforce.com}"
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns="urn:partner.soap.sforce.com" xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body>'
)
_FOOT = "</soapenv:Body></soapenv:Envelope>"
_MOST = 200


class Soap:
    """`/services/Soap/u/XX.0` of one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Serve it."""
        router.add_post("/services/Soap/u/{version}", self.call)

    async def call(self, request: web.Request) -> web.Response:
        """One call; faults are 500, as SOAP has it."""
        root = ElementTree.fromstring(await request.read())  # noqa: S314 - on the loopback, from ourselves
        token = root.findtext(f".//{_PARTNER}sessionId") or ""
        user = self._org.tokens.valid(token)
        if user is None:
            return _fault("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Illegal Session")
        if not self._org.usage.spend("POST", "/soap", ""):
            return _fault("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        asked = root.find(f".//{_PARTNER}emptyRecycleBin")
        if asked is None:
            return _fault("UNKNOWN_EXCEPTION", "No operation available for request")
        wanted = [each.text or "" for each in asked.iter(f"{_PARTNER}ids")]
        if len(wanted) > _MOST:
            return _fault("EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {_MOST} records")
        results = "".join(self._empty(record_id, user) for record_id in wanted)
        return _answer(200, f"<emptyRecycleBinResponse>{results}</emptyRecycleBinResponse>")

    def _empty(self, record_id: str, user: User) -> str:
        found, full = self._org.objects.of_id(record_id), ids.normalise(record_id)
        try:
            transaction = self._org.ledger.begin(self._org.api_actor(user, "64.0", ""))
            transaction.empty(*_known(found, full))
            self._org.ledger.commit(transaction)
        except SalesforceError as error:
            told = f"<errors><message>{escape(error.message)}</message><statusCode>{error.code}</statusCode></errors>"
            return f"<result>{told}<id>{escape(record_id)}</id><success>false</success></result>"
        return f"<result><id>{escape(record_id)}</id><success>true</success></result>"


def _known(found: ObjectDefinition | None, record_id: str | None) -> tuple[ObjectDefinition, str]:
    if found is None or record_id is None:
        raise SalesforceError("INVALID_ID_FIELD", "Invalid record id")
    return found, record_id


def _fault(code: str, message: str) -> web.Response:
    detail = f"<sf:exceptionCode>{code}</sf:exceptionCode>"
    told = f"<faultcode>sf:{code}</faultcode><faultstring>{code}: {escape(message)}</faultstring>"
    return _answer(500, f"<soapenv:Fault>{told}<detail>{detail}</detail></soapenv:Fault>")


def _answer(status: int, body: str) -> web.Response:
    return web.Response(status=status, text=_HEAD + body + _FOOT, content_type="text/xml")
