"""`make bench`: what wrk prints is read, targets are judged, and limits, runs and idempotency see each check.

The figures themselves are nobody's test: they say something about a machine."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from bench import sample
from bench.fill import ACCOUNTS, KEYS, Month, key, whole_records
from bench.run import main, sizes_of
from bench.stored import Contents, Cost, Size, Sqlite, cost_of, grown, series_of, stored_table, turns_of
from bench.targets import Target, at_least, at_most, moved, targets_table
from bench.wrk import CHECK_MARK, RUN_MARK, Checks, Load, percentile, read, together
from stage0.core.decide import decide
from stage0.core.pack import Pack
from stage0.ledger.ids import time_of
from stage0.ledger.plans import UNLIMITED
from stage0.ledger.usage import Limits
from stage0.reading.request import Caller, RunState, State
from stage0.wire import read_check
from tests.asserting import nonempty


def _shown(*tables: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    for table in tables:
        console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


# -- wrk


def test_what_wrk_prints_is_read() -> None:
    printed = "Running 1s test\n  2 requests\nRESULT 2000 2000000 0 0 1500 9000\n"
    assert read(printed) == Load(2000, 1000.0, 1.5, 9.0)


@pytest.mark.parametrize(
    "printed", ["", "no line", "RESULT 10 1000 1 0 1 1", "RESULT 10 1000 0 1 1 1", "RESULT 0 1000 0 0 0 0"]
)
def test_a_load_that_went_wrong_ends_the_program(printed: str) -> None:
    with pytest.raises(SystemExit):
        read(printed)


def test_a_flood_may_be_refused_but_not_broken_off() -> None:
    assert read("RESULT 10 1000000 7 0 1000 1000", may_refuse=True).refused == 7
    with pytest.raises(SystemExit):
        read("RESULT 10 1000000 7 1 1000 1000", may_refuse=True)


def test_loads_at_one_time_add_up_and_the_slower_one_tells_the_latency() -> None:
    both = together([Load(10, 100.0, 1.0, 9.0, 1), Load(20, 200.0, 2.0, 3.0)])
    assert both == Load(30, 300.0, 2.0, 9.0, 1)


def test_percentiles_are_times_that_were_seen() -> None:
    times = [float(number) for number in range(1, 101)]
    assert [percentile(times, percent) for percent in (1, 50, 99, 100)] == [1.0, 50.0, 99.0, 100.0]
    assert percentile([7.0], 99) == 7.0


def test_arguments_are_in_the_order_in_which_the_script_takes_them() -> None:
    assert Checks(Path("/x"), 5, 500, 250).arguments() == ["/x", "5", "500", "250", "token"]
    assert Checks(Path("/x"), 5, 500, 250, tokens=False).arguments()[-1] == "no-token"
    script = (Path(sample.__file__).with_name("check.lua")).read_text(encoding="utf-8")
    assert f'"{CHECK_MARK}"' in script
    assert f'"{RUN_MARK}"' in script


# -- the request


def test_no_limit_of_the_sample_is_ever_reached_by_a_run_that_goes_on(default_pack: Pack) -> None:
    actions = tuple(f"{number:016x}" for number in range(16))
    run = RunState(
        allows=10_000_000,
        elapsed_seconds=7_200.0,
        cost_usd=9_000.0,
        recent_tools=("argo_cd",) * 16,
        recent_actions=actions,
        last_action=actions[-1],
    )
    body = sample.body(12, 7)
    assert b"change 0000000012" in body
    assert b'"run_id":"run_0000000007"' in body
    decision = decide(read_check(body), pack=default_pack, state=State(Caller("acc"), run), now=time.time())
    assert decision.verdict == "ALLOW"


def test_every_body_is_as_long_as_the_one_with_the_marks() -> None:
    assert len(sample.body(1, 2)) == len(sample.body(9_999_999_999, 999)) == len(sample.text())


def test_high_limits_are_finite_so_that_checks_are_counted() -> None:
    assert all(limit < UNLIMITED for limit in (sample.HIGH.month, sample.HIGH.day, sample.HIGH.minute))
    assert Limits() != sample.HIGH


def test_a_database_that_does_not_hold_what_was_sent_is_noticed() -> None:
    good = sample.Counted(records=10, allows=10, others=0, runs=3, used=10, tokens=10)
    assert good.wrong(9) == ""
    assert "recorded" in good.wrong(11)
    assert "not allowed" in good._replace(allows=9, others=1).wrong(9)
    for field in ("allows", "used", "tokens"):
        assert good._replace(**{field: 8}).wrong(9)


# -- targets


def test_targets_are_met_at_their_bounds() -> None:
    assert at_least("ratio", 1.0, 1.0).met
    assert not at_least("ratio", 0.999, 1.0).met
    assert at_most("tail", 6.0, 6.0).met
    assert not at_most("time", 6.01, 6.0, "ms").met
    shown = _shown(targets_table("all", [at_most("time", 6.01, 6.0, "ms"), Target("told", "7 MB")]))
    assert "not met" in shown
    assert "6.01 ms" in shown
    assert shown.count("met") == 1


def test_how_much_a_figure_moved_is_part_of_what_it_was() -> None:
    assert moved(2.0, 3.0) == 0.5
    assert moved(2.0, 1.0) == -0.5
    assert moved(0.0, 1.0) == 0.0


# -- what is stored


def test_sizes_are_read_and_have_to_grow() -> None:
    assert sizes_of("1000,1e5") == [1_000, 100_000]
    for wrong in ("", "5,1", "1,1", "0", "x"):
        with pytest.raises(ValueError):  # noqa: PT011
            sizes_of(wrong)


def test_a_part_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["--only", "nothing"])


def test_only_one_thing_grows_in_a_series() -> None:
    records, keys, runs = series_of([10, 1_000])
    assert [size.records for size in records.sizes] == [10, 1_000]
    assert {(size.keys, size.runs) for size in records.sizes} == {(100, 1_000)}
    assert {(size.records, size.runs) for size in keys.sizes} == {(1_000, 1_000)}
    assert {(size.records, size.keys) for size in runs.sizes} == {(1_000, 100)}
    assert (keys.sizes[0].keys, keys.sizes[-1].keys) == (10, KEYS)
    assert (runs.sizes[0].runs, runs.sizes[-1].runs) == (1, 100_000)


@pytest.mark.parametrize("size", sorted({size for series in series_of([1_000]) for size in series.sizes}), ids=str)
def test_each_key_and_each_run_in_use_gets_checks(size: Size) -> None:
    turns = turns_of(size)
    assert len({number for number, _ in turns}) == size.keys
    assert len({(number % ACCOUNTS, run) for number, run in turns}) == size.runs
    assert all(number < KEYS for number, _ in nonempty(turns))


def test_records_are_small_where_there_is_no_room_for_whole_ones() -> None:
    assert whole_records(1_000, 10**9, quick=False) == 1_000
    assert whole_records(5_000_000, 10**12, quick=False) == 1_000_000
    assert whole_records(5_000_000, 10**10, quick=False) == 0
    assert whole_records(5_000_000, 10**12, quick=True) == 100_000


def test_filled_records_are_in_order_over_a_month_and_belong_to_keys_that_exist() -> None:
    rows = [*Month(10).decisions(0, 3_000, 3_000)]
    ids = [row[1] for row in rows]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert 29 * 86_400 < time_of(ids[-1]) - time_of(ids[0]) <= 30 * 86_400
    keys = {row[1]: row[0] for row in Month(0).api_keys()}
    assert all(keys[row[3]] == row[0] for row in nonempty(rows))
    assert [len(row[-1]) for row in rows[9:11]] == [3_000, 200]
    assert key(3) in keys


def test_the_table_shows_ratios_to_the_first_size_of_each_series() -> None:
    (series, *_) = series_of([1_000, 10_000])
    costs = [Cost(size, 100.0 * at, 50.0 * at, 0.2, 30.0) for at, size in enumerate(series.sizes, 1)]
    shown = _shown(stored_table("SQLite", [(series, costs)], 1_000))
    assert "2.00" in shown
    assert "the first 1,000 records of 3 KB" in shown
    wall, cpu = grown("SQLite", series, costs)
    assert (wall.met, cpu.met) == (False, False)
    assert "1,000 to 10,000 records" in wall.what


def test_a_filled_database_takes_checks(tmp_path: Path) -> None:
    place = Sqlite(tmp_path)
    contents = Contents(place, 2_000, 100)
    size = Size(1_000, 10, 100)
    contents.grow(size)
    contents.grow(size._replace(records=2_000))
    cost = cost_of(place, size, 16)
    assert cost.wall > 0
    assert cost.cpu > 0
    assert cost.megabytes > 1
