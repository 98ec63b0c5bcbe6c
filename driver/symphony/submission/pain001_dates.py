"""The two dates of a pain.001 file that are checked: creation and requested execution."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final

from symphony.submission.pain001_elements import Element, ElementRefused, Reader, line_of, text

_is_date: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})?").fullmatch
_is_date_time: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
).fullmatch


def check_creation_time(element: Element) -> None:
    """Check the group header's CreDtTm.

    Raises:
        ElementRefused: CREATION_TIME_INVALID (DT02).
    """
    path = "/GrpHdr/CreDtTm"
    value = text(element, path)
    try:
        if _is_date_time(value) and datetime.fromisoformat(value):
            return
    except ValueError:
        pass  # refused below like any other text
    said = "it is not an ISO 8601 date and time"
    raise ElementRefused("CREATION_TIME_INVALID", "DT02", path, said, line_no=line_of(element))


def check_execution_date(reader: Reader, element: Element, now: datetime) -> None:
    """Check a block's ReqdExctnDt; one in the past is due now. Without an offset it is meant in now's.

    Raises:
        ElementRefused: EXECUTION_DATE_INVALID (DT01) or EXECUTION_DATE_IN_FUTURE (DT04).
    """
    path = "/ReqdExctnDt"
    if reader.version >= 8:
        name, element = reader.choice(element, path)
        path = f"{path}/{name}"
    value = text(element, path)
    try:
        if _is_date(value):
            is_future = date.fromisoformat(value[:10]) > now.date()
        elif _is_date_time(value) and path.endswith("DtTm"):
            moment = datetime.fromisoformat(value)
            is_future = (moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)) > now
        else:
            raise ValueError
    except ValueError:
        said = "it is not an ISO 8601 date (or date and time)"
    else:
        if not is_future:
            return
        said = "it is in the future and nothing is scheduled here; send the block again on its day"
        raise ElementRefused("EXECUTION_DATE_IN_FUTURE", "DT04", path, said, line_no=line_of(element))
    raise ElementRefused("EXECUTION_DATE_INVALID", "DT01", path, said, line_no=line_of(element))
