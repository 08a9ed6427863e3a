"""The facts about a log as sentences, the alarming ones first."""

from mgnm_tf.data.health import BURST
from mgnm_tf.data.health import FIRST_YEAR
from mgnm_tf.data.health import LAST_SHARE
from mgnm_tf.data.health import LogHealth
from mgnm_tf.data.steps.splits import keeps_sessions_whole

_MUCH = 0.2
"""A share from which something decides what results mean."""

Finding = tuple[str, str]
"""`"care"` or `"fact"`, and a sentence."""


def findings(health: LogHealth, split: str) -> list[Finding]:
    """Puts the facts about a log into words.

    Args:
        health: the facts.
        split: the split that is used, one of `split_log`'s.

    Returns:
        The findings: what asks for care first.
    """
    found = [
        *_sizes(health, split),
        *_repetition(health, split),
        *_clock(health),
        *_drift(health),
        *_leaks(health, split),
    ]
    return sorted(found, key=lambda one: one[0] != "care")


def percent(share: float) -> str:
    """Writes a share: 0.4 as "40 %", and what is tiny as "below 0.1 %"."""
    if 0 < share < 0.001:
        return "below 0.1 %"
    if share < 0.1:
        return f"{100 * share:.1f} %"
    return f"{100 * share:.0f} %"


def _sizes(health: LogHealth, split: str) -> list[Finding]:
    least, _, median, _, high, most = health.events_per_user
    low, _, middle, _, top, largest = health.events_per_item
    found = [
        (
            "fact",
            f"{health.rows:,} events of {health.users:,} users on "
            f"{health.items:,} items. Events of a user: {least:.0f} to "
            f"{most:,.0f}, median {median:.0f}, 95 % have at most "
            f"{high:,.0f}. Events of an item: {low:.0f} to {largest:,.0f}, "
            f"median {middle:.0f}, 95 % have at most {top:,.0f}.",
        )
    ]
    if health.users_below_3 and split == "leave_one_out":
        share = health.users_below_3 / health.users
        found.append(
            (
                "care" if share >= _MUCH else "fact",
                f"{health.users_below_3:,} users ({percent(share)}) have "
                "fewer than 3 events: too few to be trained on, validated "
                "and tested.",
            )
        )
    if middle < 5:
        found.append(
            (
                "care",
                f"Half of the items have {middle:.0f} events or fewer: "
                "little can be learned of each.",
            )
        )
    return found


def _repetition(health: LogHealth, split: str) -> list[Finding]:
    found = []
    left_out = "leave out only what is in the visible history"
    if keeps_sessions_whole(split):
        left_out = "leave out nothing"
    share = health.duplicates / health.rows
    if health.duplicates:
        found.append(
            (
                "care" if share >= 0.01 else "fact",
                f"{health.duplicates:,} rows ({percent(share)}) repeat user, "
                "item and time of another row; they are dropped.",
            )
        )
    else:
        found.append(("fact", "No row repeats another."))
    if health.repeats:
        found.append(
            (
                "care" if health.repeats >= _MUCH else "fact",
                f"In {percent(health.repeats)} of the events the user had the "
                "item before: here, to recommend again what was had is part "
                f"of the task, and test candidates {left_out}.",
            )
        )
    else:
        found.append(("fact", "No user has an item twice."))
    return found


def _clock(health: LogHealth) -> list[Finding]:
    if health.order_only:
        return [
            (
                "care",
                "The log has positions, no times: the order of events within "
                "a user is known, not between users, so nothing can be said "
                "of bursts, drift and what a split leaks.",
            )
        ]
    found = [("fact", f"Times from {health.first_day} to {health.last_day}.")]
    if health.whole_days:
        found.append(("care", "Times are whole days."))
    if health.ties:
        found.append(
            (
                "care" if health.ties >= 0.1 else "fact",
                f"{percent(health.ties)} of the events have the time of the "
                "user's event before: their order is only that of the file.",
            )
        )
    if health.burst_events:
        share = health.burst_events / health.rows
        found.append(
            (
                "care" if share >= 0.05 else "fact",
                f"{health.burst_events:,} events ({percent(share)}) stand in "
                f"bursts of {BURST} or more of one user within a second, the "
                f"largest of {health.largest_burst:,}: an import or a robot "
                "rather than somebody choosing.",
            )
        )
    for count, what in (
        (health.in_future, "in the future"),
        (health.before_first_year, f"before {FIRST_YEAR}"),
    ):
        if count:
            found.append(
                (
                    "care",
                    f"{count:,} rows have times {what}: a clock or the unit "
                    "of time is wrong there (--time-unit).",
                )
            )
    if health.unordered:
        found.append(
            (
                "fact",
                f"{percent(health.unordered)} of the rows are earlier than "
                "the user's row before; events are sorted by time.",
            )
        )
    return found


def _drift(health: LogHealth) -> list[Finding]:
    if health.new_items_at_end is None or health.new_users_at_end is None:
        return []
    much = max(health.new_items_at_end, health.new_users_at_end) >= _MUCH
    text = (
        f"Drift: in the last {percent(LAST_SHARE)} of the events "
        f"{percent(health.new_items_at_end)} are of items and "
        f"{percent(health.new_users_at_end)} of users that were not there "
        "before"
    )
    if health.popular_that_stay is not None:
        much |= health.popular_that_stay < 0.5
        text += (
            f", and {percent(health.popular_that_stay)} of its "
            f"{health.popular} most popular items were among the "
            f"{health.popular} most popular before"
        )
    return [("care" if much else "fact", f"{text}.")]


def _leaks(health: LogHealth, split: str) -> list[Finding]:
    found = []
    for name, facts in (health.leaks or {}).items():
        used = " (the split used here)" if name == split else ""
        if name == "temporal":
            text = (
                f"Split {name}{used}: leaks nothing, but "
                f"{percent(facts['cold_users'])} of its test events are of "
                f"users and {percent(facts['cold_items'])} of items that "
                "training never saw."
            )
        else:
            text = (
                f"Split {name}{used}: {percent(facts['records_with_later'])} "
                "of the test records have training events of others later "
                f"than them, {percent(facts['later_training'])} of the "
                "training events on average, so that what came into fashion "
                "afterwards is known."
            )
        much = facts.get("later_training", 0.0) >= _MUCH
        found.append(("care" if used and much else "fact", text))
    return found
