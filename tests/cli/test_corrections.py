"""spikehead class, unlearn, relabel and undo."""

import json

from spikehead import HybridClassifier


def test_a_model_is_corrected(run, digit_photos, tmp_path):
    photos, model = digit_photos(40), tmp_path / "model"
    files = sorted(photos.rglob("*.png"), key=lambda path: path.name)
    HybridClassifier("intensities:8", head="decorrelated", n_threads=1).save(model)
    assert run("learn", photos, "--model", model)[0] == 0
    counts = HybridClassifier.load(model).photos_learned

    def corrected(*arguments):
        code, out, err = run(*arguments, "--json")
        assert code == 0, err
        document = json.loads(out)
        assert document["classes"] == HybridClassifier.load(model).photos_learned
        return document

    zero, one, two = (counts.pop(f"digit {n}") for n in range(3))
    new = corrected("class", "rename", model, "digit 0", "zero")["classes"]
    assert new == {"zero": zero, "digit 1": one, "digit 2": two, **counts}
    new = corrected("class", "merge", model, "digit 1", "digit 2")["classes"]
    assert new == {"zero": zero, "digit 2": one + two, **counts}
    assert "digit 9" not in corrected("class", "remove", model, "digit 9")["classes"]
    undone = corrected("undo", model)
    assert undone["undone"] == {"action": "remove", "class": "digit 9", "into": "", "photos": 0}
    assert undone["classes"] == new
    assert json.loads(run("info", model, "--json")[1])["classes"] == list(new)
    taken = corrected("unlearn", model, files[0], files[11])
    assert [photo["classes"] for photo in taken["photos"]] == [["zero"], ["digit 2"]]
    assert taken["classes"] == new | {"zero": zero - 1, "digit 2": one + two - 1}
    taken = corrected("relabel", model, files[10], "eight")
    assert taken["photos"] == [{"photo": str(files[10]), "classes": ["zero"]}]
    assert taken["classes"] == new | {"zero": zero - 2, "digit 2": one + two - 1, "eight": 1}

    before = (model / "model.json").read_bytes()
    for arguments, sentence in (
        (["unlearn", model, files[0]], f"{files[0]} was never learned by this model"),
        (["relabel", model, files[20], "zero"], "was learned under the label 'zero' already"),
        (["class", "rename", model, "zero", "eight"], "there is a class 'eight' already; to make"),
        (["class", "merge", model, "zero", "zero"], "class 'zero' cannot be merged with itself"),
        (["class", "remove", model, "digit 0"], "there is no class 'digit 0'"),
        (["undo", model], "there is no lesson to undo"),
    ):
        code, _, err = run(*arguments)
        assert (code, sentence in err) == (1, True), err
        assert (model / "model.json").read_bytes() == before
    code, out, _ = run("class", "rename", model, "zero", "0")
    assert (code, f"{model} knows 0 ({zero - 2} photos), digit 2" in out) == (0, True)
