"""Recipes of sessions, each on a small file in the form of the real one."""

import gzip
from collections import Counter
from datetime import datetime
from datetime import timedelta
from datetime import timezone

import numpy as np
import pytest

from mgnm_tf.data import recipe as recipes
from mgnm_tf.data.recipe import load_recipe
from mgnm_tf.data.recipe import prepare_recipe
from mgnm_tf.errors import DataError
from tests.data.server import serve

START = datetime(2010, 1, 1, tzinfo=timezone.utc)


def made_events(users=15, visits=5, clicks=40, items=120):
    """Returns (user, time, item) of visits three days apart."""
    random = np.random.default_rng(0)
    events = []
    for user in range(users):
        for visit in range(visits):
            time = START + timedelta(days=3 * visit, minutes=37 * user)
            for _ in range(random.integers(1, clicks + 1)):
                events.append((user, time, int(random.zipf(1.4)) % items))
                time += timedelta(minutes=1 + int(random.zipf(1.3)) % 1700)
    return events


def utc(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def expected_sessions(events, gap, first, core):
    """Returns the sessions of items that LESSR's steps leave."""
    sessions, before = [], {}
    for user, time, item in sorted(events, key=lambda event: event[:2]):
        if user not in before or time - before[user] > gap:
            sessions.append([])
        before[user] = time
        sessions[-1].append((time, item))
    sessions = [
        [
            event
            for n, event in enumerate(session)
            if not n or event[1] != session[n - 1][1]
        ][:first]
        for session in sessions
    ]
    while True:
        sessions = [session for session in sessions if len(session) >= core[0]]
        counts = Counter(item for session in sessions for _, item in session)
        kept = [
            [event for event in session if counts[event[1]] >= core[1]]
            for session in sessions
        ]
        if kept == sessions:
            return sessions
        sessions = kept


def sessions_of(data):
    """Returns the sequences of raw items, as a sorted list."""
    bounds = zip(data.offsets[1:-1], data.offsets[2:], strict=True)
    return sorted(
        [int(data.item_ids[item - 1]) for item in data.items[low:high]]
        for low, high in bounds
    )


def check_sessions_by_gap(data, events, gap):
    sessions = expected_sessions(events, gap, first=20, core=(2, 5))
    assert 20 < len(sessions) < 900
    wanted = [[item for _, item in session] for session in sessions]
    assert sessions_of(data) == sorted(wanted)
    split = data.metadata["split"]
    assert split["sessions"]["test"] == int(len(sessions) * 0.2)
    ends = sorted(session[-1][0] for session in sessions)
    limit = ends[-int(len(sessions) * 0.2)]
    assert split["test_from"] == limit.timestamp()


def test_gowalla_from_its_address(tmp_path, monkeypatch):
    events = made_events()
    # The real file has the latest check-in of each user first.
    lines = [
        f"{user}\t{utc(time)}\t30.23\t-97.79\t{item}\n"
        for user, time, item in sorted(
            events, key=lambda event: (event[0], -event[1].timestamp())
        )
    ]
    name = "loc-gowalla_totalCheckins.txt.gz"
    with serve({name: gzip.compress("".join(lines).encode())}) as server:
        real = load_recipe("gowalla")
        (source,) = real.sources
        assert source.url == f"https://snap.stanford.edu/data/{name}"
        folder = tmp_path / "recipes"
        folder.mkdir()
        text = (recipes.recipe_folder() / "gowalla.toml").read_text()
        (folder / "gowalla.toml").write_text(
            text.replace(source.url, f"{server.url}/{name}")
        )
        monkeypatch.setattr(recipes, "recipe_folder", lambda: folder)
        data = prepare_recipe("gowalla", tmp_path / "out", tmp_path / "cache")
    check_sessions_by_gap(data, events, timedelta(days=1))
    assert data.metadata["filters"][0]["gap"] == "1d"


def lastfm_line(user, time, artist, name='"Some one'):
    return f"user_{user:06}\t{utc(time)}\t{artist}\t{name}\t\tA song, of late\n"


def test_lastfm(tmp_path):
    events = made_events(visits=4)
    log = tmp_path / "played.tsv"
    log.write_text("".join(lastfm_line(*event) for event in events))
    data = prepare_recipe("lastfm", tmp_path / "out", file=log)
    check_sessions_by_gap(data, events, timedelta(hours=8))


def test_lastfm_without_an_artist(tmp_path):
    log = tmp_path / "played.tsv"
    log.write_text(lastfm_line(1, START, 5) + lastfm_line(1, START, ""))
    with pytest.raises(DataError, match="row 2, column 'artist': the id is em"):
        prepare_recipe("lastfm", tmp_path / "out", file=log)


def made_sessions(sessions=120, items=60, days=30):
    """Returns lists of (time, item), a session each, one to 30 clicks."""
    random = np.random.default_rng(1)
    made = []
    for _ in range(sessions):
        time = START + timedelta(days=int(random.integers(0, days)))
        time += timedelta(milliseconds=int(random.integers(0, 10**6)))
        made.append([])
        for _ in range(min(int(random.zipf(1.5)), 30)):
            made[-1].append((time, int(random.zipf(1.3)) % items))
            time += timedelta(milliseconds=int(random.integers(1, 10**5)))
    return made


def counted_once(sessions, first=None):
    """Two clicks a session, five an item, two a session, each once."""
    sessions = [session[:first] for session in sessions if len(session) > 1]
    counts = Counter(item for session in sessions for _, item in session)
    sessions = [
        [event for event in session if counts[event[1]] >= 5]
        for session in sessions
    ]
    return [session for session in sessions if len(session) > 1]


def check_last_days(data, sessions, days):
    latest = max(session[-1][0] for session in sessions)
    limit = latest - timedelta(days=days)
    test = [session for session in sessions if session[-1][0] >= limit]
    assert 0 < len(test) < len(sessions)
    split = data.metadata["split"]
    assert split["sessions"]["test"] == len(test)
    assert split["days"] == days
    rest = len(sessions) - len(test)
    assert split["sessions"]["validation"] == int(rest * 0.1 + 0.5)
    known = {int(item) for item in data.item_ids}
    wanted = [
        [item for _, item in session if item in known] for session in sessions
    ]
    assert sessions_of(data) == sorted(session for session in wanted if session)


def test_diginetica_lessr(tmp_path):
    made = made_sessions()
    lines = ["sessionId;userId;itemId;timeframe;eventdate"]
    for number, session in enumerate(made):
        # Latest first: the order is that of the time in the session.
        for time, item in reversed(session):
            day = time.replace(hour=0, minute=0, second=0, microsecond=0)
            within = round((time - day).total_seconds() * 1000)
            lines += [f"{number};NA;{item};{within};{day:%Y-%m-%d}"]
    log = tmp_path / "train-item-views.csv"
    log.write_text("\n".join(lines))
    data = prepare_recipe("diginetica-lessr", tmp_path / "out", file=log)
    sessions = counted_once(made, first=20)
    assert sum(map(len, sessions)) < sum(map(len, counted_once(made)))
    check_last_days(data, sessions, 7)
    assert data.time_unit == "ms"


def write_yoochoose(path, made):
    lines = [
        f"{number},{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z,"
        f"{item},0\n"
        for number, session in enumerate(made)
        for time, item in session
    ]
    path.write_text("".join(lines))


def test_yoochoose(tmp_path):
    made, log = made_sessions(days=6), tmp_path / "yoochoose-clicks.dat"
    write_yoochoose(log, made)
    data = prepare_recipe("yoochoose", tmp_path / "out", file=log)
    check_last_days(data, counted_once(made), 1)


@pytest.mark.parametrize(("name", "parts"), [("1-4", 4), ("1-64", 64)])
def test_the_latest_part_of_yoochoose(tmp_path, name, parts):
    made = made_sessions(sessions=1500, days=6)
    log = tmp_path / "yoochoose-clicks.dat"
    write_yoochoose(log, made)
    sessions = counted_once(made)
    ends = [session[-1][0] for session in sessions]
    limit = max(ends) - timedelta(days=1)
    training = sorted(
        (end, len(session))
        for end, session in zip(ends, sessions, strict=True)
        if end < limit
    )
    sizes = [size for _, size in training]
    needed, kept = (sum(sizes) - len(sizes)) / parts, 0
    while needed > 0:
        kept += 1
        needed -= sizes[-kept] - 1
    data = prepare_recipe(f"yoochoose-{name}", tmp_path / "out", file=log)
    split = data.metadata["split"]
    assert split["training_share"] == f"1/{parts}"
    found = split["sessions"]
    assert found["train"] + found["validation"] == kept < len(sizes) / 2
    tested = [len(one) for one in sessions if one[-1][0] >= limit]
    assert found["test"] == len(tested)
    events = sum(sizes[-kept:]) + sum(tested)
    assert data.metadata["filtered"]["events"] == events
    dropped = data.metadata["account"]["dropped"]["training_share"]
    assert dropped == sum(sizes[:-kept])
