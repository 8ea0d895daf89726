"""What the service takes and gives, as its OpenAPI description shows it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

from pydantic import BaseModel, Field

from spikehead.models.hybrid import HybridClassifier
from spikehead.models.lessons import StoredLesson
from spikehead.models.queue import QueuedPhoto
from spikehead.names import MAX_LENGTH
from spikehead.serve.teacher import Recognition, State

ClassName = Annotated[
    str,
    Field(
        description=f"Up to {MAX_LENGTH} characters, none of them a control character; blanks at "
        "the ends do not count. A class that is known is taken as it is.",
        examples=["cup"],
    ),
]


class Error(BaseModel):
    """Why a request was refused."""

    error: str = Field(
        description="One sentence for people.", examples=["there is no lesson to undo"]
    )


class Health(BaseModel):
    """The service is up."""

    status: str = Field(examples=["ok"])


class NewClass(BaseModel):
    """A class to add."""

    name: ClassName


class RenamedClass(BaseModel):
    """A class, and its name from now on."""

    name: ClassName
    into: ClassName


class MergedClass(BaseModel):
    """A class, and the one that it becomes part of."""

    name: ClassName
    into: ClassName


class RemovedClass(BaseModel):
    """A class to remove."""

    name: ClassName


class LessonOfOne(BaseModel):
    """What a photo shows."""

    label: ClassName = Field(alias="class")


class LearnedClass(BaseModel):
    """A class that the model knows."""

    name: str = Field(examples=["cup"])
    photos: int = Field(description="Photos of it that were learned.", examples=[8])


class Lesson(BaseModel):
    """A lesson, or a correction, that can be undone."""

    number: int = Field(examples=[1])
    action: str = Field(
        description="What became of the class: learn, rename, merge or remove.", examples=["learn"]
    )
    into: str = Field(
        description="Its new name, or the class that it was merged with.", examples=[""]
    )
    label: str = Field(serialization_alias="class", examples=["cup"])
    photos: int = Field(examples=[8])
    taught_at: datetime

    @classmethod
    def of(cls, lesson: StoredLesson) -> Lesson:
        """Describe a lesson."""
        return cls(
            number=lesson.number,
            action=lesson.action,
            into=lesson.into,
            label=lesson.label,
            photos=len(lesson.digests),
            taught_at=datetime.fromtimestamp(lesson.taught_at, timezone.utc),
        )


class Model(BaseModel):
    """What the model has learned so far."""

    name: str = Field(description="Of its folder.", examples=["my-model"])
    encoder: str = Field(examples=["bundled"])
    members: int = Field(description="Networks in the head.", examples=[1])
    photos: int = Field(description="Photos that were learned.", examples=[24])
    classes: list[LearnedClass] = Field(description="In the order in which they came.")
    lessons: list[Lesson] = Field(
        description="The last ones, in order; each can be undone, the last one first."
    )

    @classmethod
    def of(cls, name: str, state: State) -> Model:
        """Describe a model and its lessons."""
        counts = state.model.photos_learned
        return cls(
            name=name,
            encoder=state.model.encoder.name,
            members=state.model.head.network_.n_members,
            photos=sum(counts.values()),
            classes=[LearnedClass(name=name, photos=count) for name, count in counts.items()],
            lessons=[Lesson.of(lesson) for lesson in state.lessons],
        )


class SkippedPhoto(BaseModel):
    """A photo that cannot be read."""

    place: int = Field(description="Among those that were sent, from 0.", examples=[2])
    photo: str = Field(description="Its file name.", examples=["a.gif"])
    reason: str = Field(
        examples=["it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo"]
    )


class Taught(BaseModel):
    """What a lesson did, and what the model has learned so far."""

    learned: int = Field(description="Photos that were learned.", examples=[8])
    known: int = Field(description="Photos that had been learned before.", examples=[0])
    skipped: list[SkippedPhoto]
    model: Model


class Undone(BaseModel):
    """The lesson that was undone, and what the model has learned without it."""

    undone: Lesson
    model: Model


class TakenOut(BaseModel):
    """A photo that was taken out, or learned under another label."""

    photo: str = Field(description="Its file name.", examples=["a.jpg"])
    classes: list[str] = Field(
        description="As what it was learned; several times, where it was.", examples=[["cup"]]
    )


class Corrected(BaseModel):
    """What was taken out, and what the model has learned without it."""

    photos: list[TakenOut]
    model: Model


class Answer(BaseModel):
    """What the model says of one photo."""

    photo: str = Field(description="Its file name.", examples=["a.jpg"])
    label: str = Field(serialization_alias="class", examples=["cup"])
    shares: dict[str, float] = Field(
        description="How likely each class is; they add up to 1.",
        examples=[{"cup": 0.9, "pen": 0.1}],
    )
    familiarity: float | None = Field(
        description="How familiar the photo is, from 0 to 1; null where the model's kind of head "
        "does not tell.",
        examples=[0.71],
    )
    unknown: bool = Field(
        description="Whether it seems to be of no class that the model knows; `class` is then the "
        "one most like it.",
        examples=[False],
    )
    few_examples: bool = Field(
        description="Whether the class was learned from so few photos that the model is surer of "
        "it than it is right.",
        examples=[False],
    )
    spikes: dict[str, list[int]] = Field(
        description="For each class, in how many members its column spiked at each step of the "
        "presentation: of CoLaNET 10 of input and 5 of silence, of decorrelated columns 10 of "
        "input and 10 in which they answer.",
        examples=[{"cup": [0] * 10 + [1] * 6 + [0] * 4, "pen": [0] * 20}],
    )

    @classmethod
    def of(cls, photo: str, recognition: Recognition) -> Answer:
        """Describe what was recognised."""
        verdict, classes = recognition.verdict, recognition.shares
        return cls(
            photo=photo,
            label=verdict.label,
            shares=recognition.shares,
            familiarity=verdict.familiarity,
            unknown=verdict.unknown,
            few_examples=verdict.few_examples,
            spikes=dict(zip(classes, recognition.spikes.T.tolist(), strict=True)),
        )


class Answers(BaseModel):
    """What the model says of the photos."""

    answers: list[Answer]
    skipped: list[SkippedPhoto]


class Suggestions(BaseModel):
    """The photos that would teach the model most."""

    places: list[int] = Field(
        description="Among those that were sent, from 0; those that teach most first.",
        examples=[[2, 0]],
    )
    answers: list[Answer] = Field(description="What the model says of them, in the same order.")
    known: int = Field(
        description="Photos that were learned already, and are left out.", examples=[0]
    )
    skipped: list[SkippedPhoto]


class Doubt(BaseModel):
    """How doubtful it is that a photo is of its class."""

    place: int = Field(description="Among those that were sent, from 0.", examples=[2])
    likely: str = Field(description="The other class that it is most like.", examples=["pen"])
    doubt: float = Field(
        description="From -2 to 2: above 0 where it would be taken for that class.", examples=[0.1]
    )


class Doubts(BaseModel):
    """How doubtful it is that photos are of a class, the most doubtful first."""

    doubts: list[Doubt]
    skipped: list[SkippedPhoto]


class WaitingPhoto(BaseModel):
    """A photo that waits for a teacher."""

    name: str = Field(examples=["0123456789abcdef.jpeg"])
    since: datetime
    label: str | None = Field(
        serialization_alias="class",
        description="The class most like it when it was laid there; null where that is not known.",
        examples=["cup"],
    )
    familiarity: float | None = Field(
        description="How familiar it was then, from 0 to 1.", examples=[0.31]
    )
    source: str = Field(description="Where it is from.", examples=["camera 0"])

    @classmethod
    def of(cls, photo: QueuedPhoto) -> WaitingPhoto:
        """Describe a photo of the queue."""
        return cls(
            name=photo.name,
            since=datetime.fromtimestamp(photo.time, timezone.utc),
            label=photo.label,
            familiarity=photo.familiarity,
            source=photo.source,
        )


class Trend(BaseModel):
    """How large a share of answers is."""

    share: float | None = Field(
        description="Since it last changed; null where there is no answer.", examples=[0.95]
    )
    answers: int = Field(description="Of how many answers.", examples=[120])
    before: float | None = Field(
        description="Before it last changed; null where it has not.", examples=[None]
    )
    answers_before: int = Field(description="Of how many answers.", examples=[0])


class Metrics(BaseModel):
    """How the model answered the photos of classes that it knew, before it learned them."""

    right: Trend = Field(description="Those that were right: the prequential accuracy.")
    unknown: Trend | None = Field(
        description="Those that said unknown; null where the model's kind of head does not tell."
    )
    corrected: Trend = Field(
        description="Those that said, without doubt, another class than was then taught."
    )
    changes: list[str] = Field(
        description="A sentence for each of them that is worse than it was, if any.",
        examples=[["it is right less often: 61% of its last 80 answers, and 94% of 120 before"]],
    )

    @classmethod
    def of(cls, model: HybridClassifier) -> Metrics:
        """Describe how a model does."""
        trends = model.trends
        right, unknown, corrected = (Trend(**one._asdict()) for one in trends)
        tells = model.send_back is not None
        return cls(
            right=right,
            unknown=unknown if tells else None,
            corrected=corrected,
            changes=trends.worse(),
        )
