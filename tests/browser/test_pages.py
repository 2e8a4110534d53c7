"""Every page on a phone and on a desk, light and dark, in both languages: fits, is quiet, and is open to all.

With PORTAL_SCREENS naming a folder, a picture of each is left there (`make screens`). Tests of other pages take theirs.
"""

import pytest

from tests.browser.looks import LANGUAGES, OpenPage, Sight, walk

pytestmark = pytest.mark.browser


@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_fits_its_window_keeps_nobody_out_and_the_browser_finds_nothing_to_complain_of(
    sights: list[Sight], open_page: OpenPage, language: str
) -> None:
    found = walk(sights, open_page, language)

    assert found == {}
