"""The ONNX file against the model that it was made of."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper, parser
from PIL import Image
from sklearn.datasets import load_digits

from spikehead import HybridClassifier
from spikehead.deployment.onnx import export
from spikehead.heads.colanet.parameters import CoLaNETParameters
from spikehead.heads.decorrelated import DecorrelatedParameters, reference
from spikehead.images import Preprocessing, read_photo

SIDE = 6
RETIRED = Path(__file__).parents[1] / "models" / "retired"

parameters = st.builds(
    CoLaNETParameters,
    potentiation=st.sampled_from([0.05, 0.5, 5.0]),
    max_weight=st.sampled_from([0.3, 1.2, 7.99]),
    min_weight=st.sampled_from([0.3, 1.6, 7.99]),
    microcolumns=st.integers(1, 6),
    saturation=st.sampled_from([0.3, 1.0]),
    stochastic_stimulation=st.sampled_from([0.0, 0.016, 0.95, 8.0]),
    max_synapses=st.sampled_from([9, 1000]),
)


def opened(file):
    """Return a session of one thread: other tests run beside it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def answers(file, pixels):
    """Return class, votes and confidences that ONNX Runtime gives, photo by photo if it can."""
    session = opened(file)
    batch = session.get_inputs()[0].shape[0]
    step = batch if isinstance(batch, int) else 1
    batches = [pixels[start : start + step] for start in range(0, len(pixels), step)]
    names = ["class", "votes", "confidences", "familiarity"]
    rows = [session.run(names, {"image": batch}) for batch in batches]
    return [np.concatenate(column) for column in zip(*rows, strict=True)]


def assert_same(file, model, pixels):
    """Assert that file and model give the same votes, to the last bit."""
    activations = model.encoder.encode(pixels)
    if not model.head.signed:
        activations = activations.clip(min=0)
    labels, votes, confidences, familiarity = answers(file, pixels)
    judged = model.head.judge(activations)
    assert (votes[:, np.argsort(model.classes)] == judged.scores).all()
    assert (labels == votes.argmax(axis=1)).all()
    # Decorrelated columns need their lateral layer for the rest, which is in single precision.
    rough = {"atol": 1e-4} if hasattr(model.head, "send_back") else {"rtol": 1e-12}
    np.testing.assert_allclose(confidences, model.vote(activations), **rough)
    np.testing.assert_allclose(familiarity, judged.familiarity, **rough)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Return photos of digits, and their labels."""
    images, labels = load_digits(return_X_y=True)
    folder = tmp_path_factory.mktemp("digits")
    paths = [folder / f"{number:03}.png" for number in range(400)]
    for path, image in zip(paths, images[:400], strict=True):
        Image.fromarray(np.uint8(image.reshape(8, 8) * 255 / 16)).save(path)
    return paths, [f"digit {label}" for label in labels[:400]]


@pytest.fixture(scope="module")
def model(digits):
    """Return a model that has learned half of the digits through the bundled encoder."""
    paths, labels = digits
    p = CoLaNETParameters(microcolumns=2)
    model = HybridClassifier("bundled", parameters=p, members=4, n_threads=1)
    model.learn(paths[:200], labels[:200])
    return model


@given(
    p=parameters,
    members=st.integers(1, 12),
    n_classes=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=25)
@example(CoLaNETParameters(microcolumns=6, saturation=0.3, max_weight=7.99), 12, 5, 0)
def test_a_file_votes_as_its_model(tmp_path_factory, p, members, n_classes, seed):
    random = np.random.default_rng(seed)
    encoder = f"intensities:{SIDE}"
    model = HybridClassifier(encoder, parameters=p, members=members, seed=seed, n_threads=1)
    model.head.add_classes([f"class {9 - number}" for number in range(n_classes)])
    labels = random.choice(model.classes, 40)
    pixels = random.random((60, 1, SIDE, SIDE), np.float32) * (random.random((60, 1, 1, 1)) < 0.9)
    model.head.partial_fit(model.encoder.encode(pixels[:40]).clip(min=0), labels)
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    assert export(model, file) == 1
    assert_same(file, model, pixels[40:])


FLAT = """
    <ir_version: 8, opset_import: ["": 17]>
    flat (float[batch, 3, 4, 4] image) => (float[batch, 48] y) { y = Flatten (image) }"""


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """Return an encoder that gives what it takes, of either sign."""
    folder = tmp_path_factory.mktemp("flat")
    onnx.save(parser.parse_model(FLAT), folder / "flat.onnx")
    (folder / "flat.json").write_text('{"preprocessing": {"resize": 4, "crop": 4}}')
    return f"onnx:{folder / 'flat.onnx'}"


@given(
    p=st.builds(
        DecorrelatedParameters,
        scale=st.sampled_from([0.7, 4.0]),
        threshold=st.sampled_from([0.01, 0.2, 1.0]),
        width=st.sampled_from([7, 20, 2048]),
        horizon=st.sampled_from([0, 3]),
    ),
    n_classes=st.integers(1, 5),
    n_learned=st.sampled_from([1, 30, 70]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=12)
def test_decorrelated_columns_answer_as_the_reference(
    flat, tmp_path_factory, p, n_classes, n_learned, seed
):
    random = np.random.default_rng(seed)
    model = HybridClassifier(flat, head="decorrelated", parameters=p, n_threads=1)
    # The last class has learned nothing; photos are of any strength, one of none.
    model.head.add_classes([f"class {9 - number}" for number in range(n_classes + 1)])
    photos = random.standard_normal((n_learned + 15, 3, 4, 4))
    photos *= 10.0 ** random.integers(-30, 30, (len(photos), 1, 1, 1))
    photos[-1] = 0
    photos = photos.astype(np.float32)
    labels = random.choice(model.classes[:-1], n_learned)
    model.head.partial_fit(model.encoder.encode(photos[:n_learned]), labels)
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    assert export(model, file) == 1
    assert_same(file, model, photos[n_learned:])
    head = model.head
    counts = head.coding_.spike_counts(photos[n_learned:].reshape(-1, 48))
    classes, votes, _, familiarity = answers(file, photos[n_learned:])
    for label, score, seen in zip(
        classes, votes, reference.run(head.network_, counts), strict=True
    ):
        spikes = seen.spikes.sum(axis=0)
        assert np.floor(score).tolist() == spikes.tolist()
        ranks = list(zip(spikes, seen.residuals, strict=True))
        assert ranks[label] == max(ranks)
    cosines = [seen.cosines.max(initial=0) for seen in reference.run(head.network_, counts)]
    np.testing.assert_allclose(familiarity, cosines, atol=1e-5)
    facts = opened(file).get_modelmeta().custom_metadata_map
    threshold = head.unfamiliar_below()
    assert json.loads(facts["unknown_below"]) == (threshold if np.isfinite(threshold) else None)


def test_sums_beyond_single_precision_are_exact(tmp_path):
    """Weights near 8 on 784 inputs: sums reach 25 million steps of 2**-12, above 2**24."""
    strong = CoLaNETParameters(max_weight=7.99, min_weight=7.99, saturation=1)
    model = HybridClassifier("intensities:28", parameters=strong, members=3, n_threads=1)
    model.head.add_classes(["a", "b", "c"])
    random = np.random.default_rng(0)
    resources = model.head.network_.resources
    resources[:] = random.choice([0, 1e4], resources.shape)
    export(model, tmp_path / "model.onnx")
    assert_same(tmp_path / "model.onnx", model, random.random((20, 1, 28, 28), np.float32))


def test_a_head_of_rules_that_are_gone_votes_as_its_model(tmp_path):
    model = HybridClassifier.load(RETIRED / "taught" / "model", n_threads=1)
    export(model, tmp_path / "model.onnx")
    pixels = np.random.default_rng(0).random((20, 1, 8, 8), np.float32)
    assert_same(tmp_path / "model.onnx", model, pixels)


def test_every_decision_on_photos_is_the_models(model, digits, tmp_path):
    paths, _ = digits
    file = tmp_path / "model.onnx"
    export(model, file)
    pixels = np.stack([model.encoder.preprocessing(read_photo(path)) for path in paths[200:]])
    assert_same(file, model, pixels)
    labels, *_ = answers(file, pixels)
    assert [model.classes[label] for label in labels] == model.predict(paths[200:])


@pytest.mark.parametrize("side", [8, 5])
def test_pixels_are_expanded_as_in_the_model(digits, tmp_path, side):
    paths, labels = digits
    model = HybridClassifier(f"pixels:{side}", head="decorrelated", n_threads=1)
    model.learn(paths[:70], labels[:70])
    model.save(tmp_path / "model")
    model = HybridClassifier.load(tmp_path / "model")
    assert export(model, tmp_path / "model.onnx") == 1
    pixels = np.stack([model.encoder.preprocessing(read_photo(path)) for path in paths[70:200]])
    pixels[0] = 0
    assert_same(tmp_path / "model.onnx", model, pixels)


def test_photos_can_come_in_batches(model, tmp_path):
    export(model, tmp_path / "model.onnx")
    pixels = np.random.default_rng(0).standard_normal((7, 3, 32, 32)).astype(np.float32)
    session = opened(tmp_path / "model.onnx")
    (confidences,) = session.run(["confidences"], {"image": pixels})
    np.testing.assert_allclose(confidences, answers(tmp_path / "model.onnx", pixels)[2])


def test_the_file_says_what_its_classes_are_and_how_it_takes_photos(model, tmp_path):
    export(model, tmp_path / "model.onnx")
    session = opened(tmp_path / "model.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["classes"]) == model.classes
    preprocessing = Preprocessing.from_dict(json.loads(metadata["preprocessing"]))
    assert preprocessing == model.encoder.preprocessing
    ((image,), outputs) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type, image.shape[1:]) == ("image", "tensor(float)", [3, 32, 32])
    n_classes = len(model.classes)
    assert [(output.name, output.shape[1:]) for output in outputs] == [
        ("class", []),
        ("votes", [n_classes]),
        ("confidences", [n_classes]),
        ("familiarity", []),
    ]


def test_an_int8_encoder_makes_it_smaller_and_keeps_most_answers(model, digits, tmp_path):
    paths, _ = digits
    pixels = np.stack([model.encoder.preprocessing(read_photo(path)) for path in paths[:200]])
    export(model, tmp_path / "float32.onnx")
    agreement = export(model, tmp_path / "int8.onnx", precision="int8", calibration=pixels[:100])
    sizes = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("float32", "int8")]
    assert sizes[0] - sizes[1] > 100_000
    expected = [model.classes[label] for label in answers(tmp_path / "int8.onnx", pixels)[0]]
    told = model.predict(paths[:200])
    assert np.mean(np.array(expected[:100]) == told[:100]) == agreement
    assert np.mean(np.array(expected) == told) > 0.9


NETWORKS = {
    "of an old opset": """
        <ir_version: 3, opset_import: ["": 9]>
        old (float[batch, 3, 8, 8] photo) => (float[batch, 48] y) {
            pooled = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (photo)
            y = Flatten (pooled)
        }""",
    "with names that the head uses": """
        <ir_version: 8, opset_import: ["": 17]>
        names (float[batch, 3, 8, 8] image)
            => (float[batch, 48] activations, float[batch, 48] votes) {
            class = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (image)
            activations = Flatten (class)
            votes = Neg (activations)
        }""",
    "that insists on a batch of two": """
        <ir_version: 10, opset_import: ["": 21]>
        two (float[2, 3, 8, 8] image) => (float[2, 48] y) {
            pooled = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (image)
            y = Flatten (pooled)
        }""",
    "in the domain by its other name, its weights among its inputs, a photo at a time": """
        <ir_version: 3, opset_import: ["ai.onnx": 9]>
        listed (float[12, 3, 3, 3] w, float[1, 3, 8, 8] photo) => (float[1, 12, 1, 1] y)
 {
            features = ai.onnx.Conv (photo, w)
            y = ai.onnx.GlobalAveragePool (features)
        }""",
    "with the channels last, and outputs that are not flat": """
        <ir_version: 8, opset_import: ["": 17]>
        last (float[batch, 8, 8, 3] photo) => (float[batch, 1, 1, 3] y) {
            y = ReduceMean <axes = [1, 2]> (photo)
        }""",
    "that takes and gives half precision, and knows no sides": """
        <ir_version: 8, opset_import: ["": 17]>
        half (float16[batch, 3, height, width] photo) => (float16[batch, 3, 1, 1] y) {
            y = GlobalAveragePool (photo)
        }""",
    "that takes and gives double precision": """
        <ir_version: 8, opset_import: ["": 17]>
        double (double[batch, 3, 8, 8] photo) => (double[batch, 3, 1, 1] y) {
            y = ReduceMean <axes = [2, 3]> (photo)
        }""",
    "that gives half precision, also below zero": """
        <ir_version: 8, opset_import: ["": 13]>
        half (float[batch, 3, 8, 8] image) => (float16[batch, 48] y) {
            pooled = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (image)
            flat = Flatten (pooled)
            y = Cast <to = 10> (flat)
        }""",
}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())
def test_encoders_that_other_tools_made(network, tmp_path):
    encoder = parser.parse_model(network)
    random = np.random.default_rng(0)
    for weight in [node for node in encoder.graph.input if node.name == "w"]:
        shape = [dim.dim_value for dim in weight.type.tensor_type.shape.dim]
        values = random.standard_normal(shape).astype(np.float32)
        encoder.graph.initializer.append(numpy_helper.from_array(values, "w"))
    onnx.save(encoder, tmp_path / "encoder.onnx")
    settings = {"preprocessing": {"resize": 8, "crop": 8}}
    (tmp_path / "encoder.json").write_text(json.dumps(settings))
    model = HybridClassifier(f"onnx:{tmp_path / 'encoder.onnx'}", n_threads=1)
    pixels = random.standard_normal((60, 3, 8, 8)).astype(np.float32)
    model.head.add_classes(["a", "b", "c"])
    model.head.partial_fit(
        model.encoder.encode(pixels[:40]).clip(min=0), random.choice(model.classes, 40)
    )
    assert export(model, tmp_path / "model.onnx") == 1
    assert_same(tmp_path / "model.onnx", model, pixels[40:])


def test_bad_input_is_refused_in_a_sentence(model, tmp_path):
    class Own:
        name = "own"
        n_activations = 4
        saturation = 1.0
        files = property(lambda _: {})
        preprocessing = Preprocessing(8, 8)

    own = HybridClassifier(Own())
    own.head.add_classes(["a", "b"])
    pixels = HybridClassifier("intensities:4")
    pixels.head.add_classes(["a", "b"])
    photos = np.zeros((2, 1, 4, 4), np.float32)
    file = tmp_path / "model.onnx"
    refused = [
        (
            HybridClassifier("intensities:4"),
            {},
            "the model has learned nothing yet: teach it before",
        ),
        (own, {}, "the encoder own is not an ONNX file: write it as one, and use onnx:PATH"),
        (model, {"precision": "int8"}, "the precision int8 needs calibration photos"),
        (
            pixels,
            {"precision": "int8", "calibration": photos},
            "intensities:4 has no weights to quant",
        ),
        (model, {"precision": "int8", "calibration": photos}, "bundled cannot be quantised"),
    ]
    for refused_model, options, message in refused:
        with pytest.raises(ValueError, match=message) as caught:
            export(refused_model, file, **options)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    model = HybridClassifier("intensities:4")
    model.head.add_classes(["a", "b"])
    file = tmp_path / "model.onnx"
    file.write_text("old")
    export(model, file)
    assert onnx.load(file).graph.name == "spikehead"
    with pytest.raises(OSError, match=f"^cannot write {tmp_path}: "):
        export(model, tmp_path)
    with pytest.raises(FileNotFoundError, match=f"^cannot write {tmp_path}/none/model.onnx: "):
        export(model, tmp_path / "none" / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_the_papers_configuration_on_real_photos(real_data, tmp_path):
    encoder = real_data / "encoders" / "efficientnetv2_b0.onnx"
    model = HybridClassifier(f"onnx:{encoder}", n_threads=1)
    photos = sorted((real_data / "imagenette-300" / "train").rglob("*.*"))[::60]
    model.learn(photos, [photo.parent.name for photo in photos])
    export(model, tmp_path / "model.onnx")
    test = sorted((real_data / "imagenette-300" / "test").rglob("*.*"))[::20]
    assert_same(
        tmp_path / "model.onnx",
        model,
        np.stack([model.encoder.preprocessing(read_photo(path)) for path in test]),
    )
