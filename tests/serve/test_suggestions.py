"""The queue of what to teach next, asked by HTTP."""

import pytest

from spikehead import HybridClassifier

KINDS = ("disc", "frame", "half")


@pytest.fixture
def folder(tmp_path):
    HybridClassifier("pixels:8", head="decorrelated").save(tmp_path / "model")
    return tmp_path / "model"


def test_photos_that_would_teach_most_come_first(client, picture):
    sent = [picture("disc", 0), b"no photo", *(picture(kind, 9) for kind in KINDS)]

    def ask(number):
        files = [("photos", (f"{n}.png", photo)) for n, photo in enumerate(sent)]
        return client("POST", "/api/suggestions", data={"number": number}, files=files)

    refused = ask(2)
    assert refused.status_code == 409
    assert refused.json()["error"] == "the model has learned nothing yet; teach it a class"
    for kind in KINDS:
        client.teach(kind, picture(kind, 0))
    found = ask(2).json()
    assert (found["known"], [one["place"] for one in found["skipped"]]) == (1, [1])
    assert len(set(found["places"])) == 2
    assert set(found["places"]) < {2, 3, 4}
    assert [one["photo"] for one in found["answers"]] == [f"{n}.png" for n in found["places"]]
    answers = client.predict(*(sent[place] for place in found["places"])).json()["answers"]
    assert [one["shares"] for one in answers] == [one["shares"] for one in found["answers"]]
    assert ask(0).status_code == 422
