"""A phone that holds its camera before a code, wherever it is drawn."""

import pytest
import segno


def drawn(code: str, **how: object) -> str:
    return segno.make_qr(code, error=how.pop("error", "m")).png_data_uri(**{"scale": 6, "border": 4, **how})


@pytest.mark.parametrize(
    "how", [{}, {"error": "h", "scale": 4, "border": 3, "dark": "#198754"}, {"error": "l", "scale": 1, "border": 0}]
)
def test_picture_links_the_instance_whose_code_it_shows(world, wait_until, how):
    world.create(qrcode=True)
    world.create("other", qrcode=True)
    wait_until(lambda: world.tool()["code"] and world.tool("other")["code"], "two codes")

    answer = world.http.post("/simulator/scan", json={"picture": drawn(world.tool("other")["code"], **how)})
    world.wait_for_state("other", "open")

    assert (answer.status_code, answer.json["name"]) == (200, "other")
    assert not world.tool()["isPaired"]


@pytest.mark.parametrize(
    ("picture", "status"),
    [(drawn("2@a code that nobody shows"), 404), ("data:image/png;base64,AAAA", 400), ("hello", 400), ("", 400)],
)
def test_picture_of_no_code_links_nothing(world, wait_until, picture, status):
    world.create(qrcode=True)
    wait_until(lambda: world.tool()["code"], "a QR code")

    assert world.http.post("/simulator/scan", json={"picture": picture}).status_code == status
    assert not world.tool()["isPaired"]
