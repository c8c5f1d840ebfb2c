"""The served twin of tests/twin_api."""

from borrowed_fixtures import conftest_of

_served = conftest_of("twin_api")
site, start, empty, park = _served.site, _served.start, _served.empty, _served.park
