"""What a snapshot's ledger says of a clip holds as long as the clip is there again."""

from __future__ import annotations

from scripts.lab.snapshots import remembered_anew

DAY_S = 86_400


def test_an_old_snapshots_rows_do_not_expire_before_its_clips():
    row = {"clip": {"S": "c"}, "status": {"S": "answered"}, "expires_at": {"N": "1700000000"}}
    now_s = 1_800_000_000.5
    (restored,) = remembered_anew([row], now_s)
    assert int(restored["expires_at"]["N"]) >= now_s + 2 * DAY_S
    assert {**restored, "expires_at": None} == {**row, "expires_at": None}
