"""The observer's readers hear the whole of what a witness says."""

from pathlib import Path

import aiohttp
import orjson

from simulator.observer.readers import OrgWitness, read_lines
from simulator.org.app import running_org


async def test_the_orgs_log_and_records_are_read_to_the_end() -> None:
    """However many pages they take; deleted records are not among the live ones."""
    async with running_org() as org, aiohttp.ClientSession() as http:
        creates = [{"action": "create", "fields": {"LastName": f"Name {number}"}} for number in range(7)]
        async with http.post(f"{org.base_url}/admin/edits", json={"edits": creates}) as response:
            made = [row["id"] for row in await response.json()]
        async with http.post(f"{org.base_url}/admin/edits", json={"action": "delete", "id": made[3]}) as response:
            assert response.status == 200
        witness = OrgWitness(http, org.base_url, page=2)
        commits = await witness.commits()
        assert [row["record_id"] for row in commits] == [*made, made[3]]
        assert await witness.commits(commits[5]["number"]) == commits[6:]
        assert [row["Id"] for row in await witness.records("Contact")] == [*made[:3], *made[4:]]


def test_a_journal_that_is_being_written_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    """A live view may look at any moment, also before the first row."""
    journal = tmp_path / "journal.jsonl"
    assert read_lines(journal) == []
    journal.write_bytes(orjson.dumps({"row": "seen", "revision": 1}) + b'\n{"row": "se')
    assert read_lines(journal) == [{"row": "seen", "revision": 1}]
