"""What people call the columns of an interaction log."""

import re
from collections.abc import Sequence

Tiers = Sequence[Sequence[str]]
"""Names by how sure they are; those of one tier are as good as each other."""

SESSIONS = "session sessionid visit visitid".split()
"""Names of what stands in the place of a user and soon ends."""

UNSURE_TIMES = "day year when".split()
"""Names of a time, if it holds times: a year may be that of a film."""

ROLES: dict[str, Tiers] = {
    "user": (
        (
            "user userid uid userno username customer customerid client "
            "clientid visitor visitorid member memberid account accountid "
            "reviewer reviewerid buyer buyerid person personid listener "
            "listenerid reader readerid student studentid profileid"
        ).split(),
        [*SESSIONS, *"cookie cookieid deviceid".split()],
    ),
    "item": (
        (
            "item itemid iid product productid movie movieid asin parentasin "
            "sku article articleid song songid track trackid news newsid book "
            "bookid isbn video videoid game gameid poi poiid venue venueid "
            "business businessid content contentid show showid recipe "
            "recipeid beer beerid hotel hotelid listing listingid course "
            "courseid document documentid page pageid ad adid"
        ).split(),
        "artist artistid brand brandid location locationid".split(),
    ),
    "time": (
        (
            "timestamp time date datetime ts unixtime unixtimestamp "
            "unixreviewtime reviewtime eventtime eventdate createdat created "
            "occurredat utctime visittime timems timestampms"
        ).split(),
        UNSURE_TIMES,
    ),
    "split": (("split", "part", "subset", "fold"),),
    "rating": (
        ("rating", "ratings", "stars", "score", "overall", "reviewrating"),
    ),
    "category": (
        (
            "category categories categoryid cat genre genres class classid "
            "department"
        ).split(),
    ),
}
"""Role -> names of its column, in small letters without other characters."""

POSITIONS = (
    "position pos order step sequence seq sequencenumber eventnumber rank "
    "orderinsession"
).split()
"""Names of a column that numbers the events of a user."""


def plain_name(name: str) -> str:
    """Returns a name in small letters, without other characters."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def named(role: str, columns: Sequence[str]) -> list[str]:
    """Returns the columns that are called what a role is called.

    Args:
        role: a key of `ROLES`.
        columns: the names of the columns that have no role yet.

    Returns:
        The columns of the first tier that has any; none if no tier has.
    """
    tiers = [*ROLES[role], *([POSITIONS] if role == "time" else [])]
    for tier in tiers:
        found = [name for name in columns if plain_name(name) in tier]
        if found:
            return found
    return []
