"""What `--keep` leaves up, and how to play with it."""

import base64
import shlex
import shutil
import sys
from pathlib import Path

from ops.demo.stage import Stage
from ops.demo.traffic import person_kind
from schemas.mapping import Mapping

_POST = """\
#!/bin/sh
# Posts a signed webhook:  sh {file} ID PATH VALUE
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


def write_helpers(stage: Stage, event: str) -> tuple[Path, Path]:
    """A script that posts a signed webhook, and every process's settings for the shell; both hold the run's secrets."""
    post, settings = stage.folder / "post.sh", stage.folder / "settings.sh"
    key = base64.b64decode(stage.secret.removeprefix("whsec_")).hex()
    _write(post, _POST.format(file=post, key=key, url=stage.webhook_url, event=event))
    _write(settings, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in stage.settings.items()))
    return post, settings


def addresses(stage: Stage, mapping: Mapping, person: str) -> list[str]:
    """Lines to print: where everything is, and what to try with this person."""
    name = person_kind(mapping)
    post, settings = write_helpers(stage, f"{name}.updated")
    edit = f'{{"key":{{"{mapping.kinds[name].external_id}":"{person}"}},"fields":{{"Phone":"+40 721 000 222"}}}}'
    return [
        f"webhook        {stage.webhook_url}",
        f"Salesforce     {stage.org_url} (simulated; what only it can do is under /admin)",
        f"MongoDB        {stage.servers.mongodb_uri} (database {stage.database})",
        f"Kafka          {stage.servers.kafka_bootstrap}",
        *(f"ops {name:<10} {url}/metrics, /health, /ready" for name, url in stage.ops_urls.items()),
        f"logs           {stage.folder}",
        "",
        "Edit on the platform:",
        f"  sh {post} {person} phone '+40 721 000 111'",
        "Edit in Salesforce:",
        f"  curl -sS {stage.org_url}/admin/edits -H 'content-type: application/json' -d '{edit}'",
        "See both sides:",
        f"  . {settings} && {_tandem()} show {name} {person}",
    ]


def _tandem() -> str:
    """How the shell finds the command: by its name where it is on the PATH, else beside the Python that runs this."""
    return "tandem" if shutil.which("tandem") else shlex.quote(str(Path(sys.executable).with_name("tandem")))


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
