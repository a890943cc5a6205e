"""What `--keep` leaves up, and how to play with it."""

import base64
import shlex
import shutil
import sys
from pathlib import Path

from ops.demo.stage import Stage

EVENT = "customer.updated"

_POST = """\
#!/bin/sh
# Posts a signed webhook:  sh {file} CUSTOMER PATH VALUE
event="evt-$(date +%s)-$$"
at=$(date +%s)
when=$(date -u +%Y-%m-%dT%H:%M:%SZ)
data='{{"id":"'"$1"'","fields":{{"'"$2"'":"'"$3"'"}},"changed":["'"$2"'"]}}'
body='{{"type":"{event}","timestamp":"'"$when"'","data":'"$data"'}}'
signature=$(printf '%s.%s.%s' "$event" "$at" "$body" |
  openssl dgst -sha256 -mac HMAC -macopt hexkey:{key} -binary | base64)
curl -sS -i {url} -H 'content-type: application/json' \\
  -H "webhook-id: $event" -H "webhook-timestamp: $at" -H "webhook-signature: v1,$signature" --data-binary "$body"
"""


def write_helpers(stage: Stage) -> tuple[Path, Path]:
    """A script that posts a signed webhook, and every process's settings for the shell; both hold the run's secrets."""
    post, settings = stage.folder / "post.sh", stage.folder / "settings.sh"
    key = base64.b64decode(stage.secret.removeprefix("whsec_")).hex()
    _write(post, _POST.format(file=post, key=key, url=stage.webhook_url, event=EVENT))
    _write(settings, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in stage.settings.items()))
    return post, settings


def addresses(stage: Stage, customer: str, external_id: str) -> list[str]:
    """Lines to print: where everything is, and what to try."""
    post, settings = write_helpers(stage)
    edit = f'{{"key":{{"{external_id}":"{customer}"}},"fields":{{"Phone":"+40 721 000 222"}}}}'
    return [
        f"webhook        {stage.webhook_url}",
        f"Salesforce     {stage.org_url} (simulated; what only it can do is under /admin)",
        f"MongoDB        {stage.servers.mongodb_uri} (database {stage.database})",
        f"Kafka          {stage.servers.kafka_bootstrap}",
        *(f"ops {name:<10} {url}/metrics, /health, /ready" for name, url in stage.ops_urls.items()),
        f"logs           {stage.folder}",
        "",
        "Edit on the platform:",
        f"  sh {post} {customer} phone '+40 721 000 111'",
        "Edit in Salesforce:",
        f"  curl -sS {stage.org_url}/admin/edits -H 'content-type: application/json' -d '{edit}'",
        "See both sides:",
        f"  . {settings} && {_tandem()} show customer {customer}",
    ]


def _tandem() -> str:
    """How the shell finds the command: by its name where it is on the PATH, else beside the Python that runs this."""
    return "tandem" if shutil.which("tandem") else shlex.quote(str(Path(sys.executable).with_name("tandem")))


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
