import io
import os
import re
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngInfo

from spikehead.images import (
    Photo,
    PhotoFolder,
    Preprocessing,
    UnreadablePhoto,
    find_photos,
    named_photos,
    photo_bytes,
    read_photo,
    split,
)

# Orientation -> how a camera held in this way stores the upright rows [[1, 2], [3, 4], [5, 6]].
STORED = {
    1: [[1, 2], [3, 4], [5, 6]],
    2: [[2, 1], [4, 3], [6, 5]],
    3: [[6, 5], [4, 3], [2, 1]],
    4: [[5, 6], [3, 4], [1, 2]],
    5: [[1, 3, 5], [2, 4, 6]],
    6: [[2, 4, 6], [1, 3, 5]],
    7: [[6, 4, 2], [5, 3, 1]],
    8: [[5, 3, 1], [6, 4, 2]],
}

SYSTEMS = ("$RECYCLE.BIN", "System Volume Information", "@eaDir", "#recycle", "lost+found")

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def content(image, file_format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png(width, height, *chunks, bit_depth=8, colour_type=2):
    """Return a PNG file with the chunks given after its header."""
    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def webp(width, height):
    """Return the header of an animated WebP."""
    canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    chunks = b"VP8X" + struct.pack("<I", 10) + bytes([2, 0, 0, 0]) + canvas
    chunks += b"ANIM" + struct.pack("<I", 6) + bytes(6)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def noise(width=40, height=30, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def write(path, data=b""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


class TestFindPhotos:
    def test_classes_are_sub_folders_and_everything_is_sorted(self, tmp_path):
        names = ["b/2.JPG", "b/1.png", "a/deep/er/x.WebP", "a/y.jpeg", "a/notes.txt", "loose.jpg"]
        for name in names:
            write(tmp_path / name)
        assert find_photos(tmp_path) == [
            Photo(tmp_path / "a/deep/er/x.WebP", "a"),
            Photo(tmp_path / "a/y.jpeg", "a"),
            Photo(tmp_path / "b/1.png", "b"),
            Photo(tmp_path / "b/2.JPG", "b"),
        ]

    def test_hidden_files_and_folders_are_left_out(self, tmp_path):
        for name in ["a/x.jpg", "a/._x.jpg", "a/.thumbs/x.jpg", ".git/x.jpg", "__MACOSX/a/._x.jpg"]:
            write(tmp_path / name)
        assert find_photos(tmp_path) == [Photo(tmp_path / "a/x.jpg", "a")]

    def test_what_is_left_out_is_counted_and_named(self, tmp_path):
        names = ["a/1.jfif", "a/deep/2.HEIC", "b/3.tif", "a/notes.txt", "a/b/more.TXT", "b/x.mp4"]
        names += ["loose.jpg", "list.csv", "b/README", "empty/x.txt", "Thumbs.db", "a/desktop.ini"]
        for name in [*names, *(f"{folder}/x.jpg" for folder in SYSTEMS), "a/@eaDir/1.jfif/s.jpg"]:
            write(tmp_path / name)
        (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
        found = PhotoFolder.read(tmp_path)
        assert [(photo.label, photo.path.name) for photo in found.photos] == [
            *(("a", "1.jfif"), ("a", "2.HEIC"), ("b", "3.tif")),
        ]
        assert found.left_out.sentences() == [
            "Left out 6 files that are no photos: 3 .txt, 1 without an ending, 1 .csv, 1 .mp4.",
            "Left out 1 photo that lies beside the folders of the classes.",
            f"No photos in {tmp_path / 'empty'}.",
            f"Links to nothing: {tmp_path / 'gone'}.",
        ]
        assert found.left_out.to_dict() == {
            "files": {".txt": 3, ".csv": 1, ".mp4": 1, "": 1},
            "beside_the_classes": 1,
            "without_photos": [str(tmp_path / "empty")],
            "dead_links": [str(tmp_path / "gone")],
        }

    def test_nothing_left_out_is_nothing_to_say(self, tmp_path):
        for name in ("a/x.jpg", "b/y.png", "b/.hidden", ".DS_Store", "a/Thumbs.db"):
            write(tmp_path / name)
        assert PhotoFolder.read(tmp_path).left_out.sentences() == []

    def test_folders_of_one_name_in_other_forms_are_one_class(self, tmp_path):
        decomposed = "cafe\N{COMBINING ACUTE ACCENT}"
        for name in ("café/1.png", f"{decomposed}/2.png", " café /3.png", "tea/4.png"):
            write(tmp_path / name)
        labels = [(photo.label, photo.path.name) for photo in find_photos(tmp_path)]
        assert sorted(labels) == [("café", f"{n}.png") for n in (1, 2, 3)] + [("tea", "4.png")]

    @pytest.mark.skipif(os.name == "nt", reason="needs names that Windows does not allow")
    def test_a_folder_whose_name_is_none_of_a_class_is_named(self, tmp_path):
        write(tmp_path / "a\nb/x.png")
        with pytest.raises(ValueError, match=r"b cannot be a class: .* control .*; rename the fol"):
            find_photos(tmp_path)
        assert [p.label for p in find_photos(tmp_path, known=["a\nb"])] == ["a\nb"]

    @pytest.mark.parametrize(
        ("parts", "best"),
        [
            (["train", "test"], "train"),
            (["Training", "Valid"], "Training"),
            (["val", "test"], "test"),
        ],
    )
    def test_the_parts_of_a_data_set_are_no_classes(self, tmp_path, parts, best):
        for part in parts:
            write(tmp_path / part / "cat/x.png")
        with pytest.raises(
            ValueError, match=re.escape(f"such as {tmp_path / best} (or insist that")
        ):
            find_photos(tmp_path)
        assert len(find_photos(tmp_path, as_classes=True)) == 2
        assert [photo.label for photo in find_photos(tmp_path / best)] == ["cat"]

    def test_one_folder_named_so_is_a_class(self, tmp_path):
        write(tmp_path / "train/x.png")
        write(tmp_path / "bus/x.png")
        assert [photo.label for photo in find_photos(tmp_path)] == ["bus", "train"]

    def test_links_are_followed_and_loops_end(self, tmp_path):
        write(tmp_path / "elsewhere/x.jpg")
        write(tmp_path / "photos/a/y.jpg")
        (tmp_path / "photos/b").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "photos/a/loop").symlink_to(tmp_path / "photos/a")
        (tmp_path / "photos/a/up").symlink_to(tmp_path / "photos")
        found = find_photos(tmp_path / "photos")
        assert [photo.label for photo in found] == ["a", "a", "b"]
        assert len({(photo.path.resolve(), photo.label) for photo in found}) == 3

    def test_a_link_to_nothing_is_found_so_that_it_can_be_reported(self, tmp_path):
        write(tmp_path / "a/x.jpg")
        (tmp_path / "a/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
        gone, _ = find_photos(tmp_path)
        with pytest.raises(UnreadablePhoto, match=r"^it does not exist$"):
            read_photo(gone.path)

    @pytest.mark.parametrize(
        ("files", "folder", "message"),
        [
            ([], "none", "{} does not exist: give a folder with one sub-folder of photos for each"),
            (["none"], "none", "{} is not a folder: give a folder with one sub-folder of photos"),
            (["none/x.txt"], "none", "{} has no sub-folders: give a folder with one sub-folder of"),
            (
                ["none/x.jpg"],
                "none",
                "the photos in {} have no class: move them into sub-folders that are named after",
            ),
            (
                ["none/a/x.txt"],
                "none",
                "the sub-folders of {} hold no photos: put .jpg, .jpeg, .jpe, .jfif, .png, .webp",
            ),
        ],
    )
    def test_a_folder_without_labelled_photos_is_explained(self, tmp_path, files, folder, message):
        for name in files:
            write(tmp_path / name)
        expected = "^" + re.escape(message.format(tmp_path / folder))
        with pytest.raises((FileNotFoundError, NotADirectoryError), match=expected):
            find_photos(tmp_path / folder)

    def test_an_unreadable_sub_folder_is_named(self, tmp_path, monkeypatch):
        write(tmp_path / "a/locked/x.jpg")
        scandir = os.scandir

        def refuse(path):
            if Path(path).name == "locked":
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        expected = (
            f"cannot read the folder {tmp_path / 'a' / 'locked'}: Permission denied; "
            "allow reading it, or move it elsewhere"
        )
        with pytest.raises(PermissionError, match=f"^{re.escape(expected)}$"):
            find_photos(tmp_path)


class TestNamedPhotos:
    def test_photos_folders_and_lists(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for name in ("f/b.png", "f/deep/a.jpg", "f/x.txt", "c.png", "@d.png"):
            write(Path(name))
        write(tmp_path / "list.txt", "\ufeffc.png\r\n\nf\n g.png\n".encode())
        write(tmp_path / "list", b"caf\xe9.png\n")
        photos, left_out = named_photos(["c.png", "f", "list.txt", "@list", "@d.png", "none.png"])
        folder = ["f/b.png", "f/deep/a.jpg"]
        expected = ["c.png", *folder, "c.png", *folder, " g.png", os.fsdecode(b"caf\xe9.png")]
        assert photos == [Path(name) for name in (*expected, "@d.png", "none.png")]
        assert left_out.files == {".txt": 2}

    def test_a_folder_without_photos_and_a_list_that_is_not_there(self, tmp_path):
        assert named_photos([tmp_path])[1].sentences() == [f"No photos in {tmp_path}."]
        for name in ("none.txt", "@none"):
            with pytest.raises(
                FileNotFoundError, match=r"^the list none.* cannot be read: No such"
            ):
                named_photos([name])


class TestReadPhoto:
    @pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
    def test_lossless_formats_keep_every_pixel(self, tmp_path, file_format):
        data = content(noise(), file_format, lossless=True)
        assert read_photo(data).tobytes() == noise().tobytes()
        assert read_photo(write(tmp_path / "wrong.jpg", data)).tobytes() == noise().tobytes()

    def test_jpeg_is_as_pillow_decodes_it(self):
        data = content(noise(), "JPEG")
        assert read_photo(data).tobytes() == Image.open(io.BytesIO(data)).tobytes()

    @pytest.mark.parametrize(
        ("file_format", "options"),
        [
            ("BMP", {}),
            ("TIFF", {}),
            *(("TIFF", {"compression": kind}) for kind in ("tiff_lzw", "tiff_deflate", "packbits")),
            ("TIFF", {"big_endian": True}),
        ],
    )
    def test_other_lossless_formats_keep_every_pixel(self, file_format, options):
        assert read_photo(content(noise(), file_format, **options)).tobytes() == noise().tobytes()

    @pytest.mark.parametrize("file_format", ["AVIF", "HEIF", "GIF"])
    def test_other_formats_look_as_they_should(self, file_format):
        """Within what they lose: the corners of a photo of four colours."""
        if file_format == "HEIF":
            pytest.importorskip("pillow_heif").register_heif_opener()
        pixels = np.array([[RED, GREEN], [BLUE, WHITE]], np.uint8).repeat(32, 0).repeat(32, 1)
        data = content(Image.fromarray(pixels), file_format, quality=95)
        assert read_photo(data).size == (64, 64)
        difference = np.asarray(read_photo(data), int)[8::48, 8::48] - pixels[8::48, 8::48]
        assert abs(difference).max() < 12

    def test_heic_without_the_extra_names_it(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        for brand in (b"heic", b"mif1\0\0\0\0mif1heic"):
            with pytest.raises(
                UnreadablePhoto, match=r"needs an extra: pip install .spikehead\[heif"
            ):
                read_photo(b"\0\0\0\x20ftyp" + brand)

    def test_transparency_is_laid_on_white(self):
        image = Image.new("RGBA", (3, 1))
        for x, pixel in enumerate([(255, 0, 0, 255), (0, 0, 0, 0), (0, 0, 0, 128)]):
            image.putpixel((x, 0), pixel)
        pixels = np.asarray(read_photo(content(image)))[0].tolist()
        assert pixels == [[255, 0, 0], [255, 255, 255], [127, 127, 127]]

    @pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
    def test_transparency_of_a_tall_photo(self, mode):
        pixels = np.random.default_rng(0).integers(0, 256, (600, 7, 4), np.uint8)
        image = Image.fromarray(pixels).convert(mode)
        data = content(image, transparency=3) if mode == "P" else content(image)
        whole = Image.open(io.BytesIO(data)).convert("RGBA")
        laid = Image.alpha_composite(Image.new("RGBA", image.size, "white"), whole).convert("RGB")
        assert read_photo(data).tobytes() == laid.tobytes()

    def test_jpeg_of_many_scans(self):
        data = content(noise(), "JPEG", progressive=True, comment=b"\xff\xda" * 1000)
        read_photo(data + b"\xff\xda" * 1000)  # what is no scan is not counted
        last = data.rindex(b"\xff\xda")
        with pytest.raises(UnreadablePhoto, match=r"^it has more than 64 scans$"):
            read_photo(data[:-2] + data[last:-2] * 100 + data[-2:])

    def test_png_of_many_packed_texts(self):
        texts = PngInfo()
        for number in range(17):
            texts.add_text(str(number), "a" * 2000, zip=True)
        with pytest.raises(UnreadablePhoto, match=r"^it has more than 16 texts$"):
            read_photo(content(noise(), pnginfo=texts))

    def test_palette_with_a_transparent_colour(self):
        image = Image.new("P", (2, 1))
        image.putpalette([*RED, *BLUE])
        image.putpixel((1, 0), 1)
        assert np.asarray(read_photo(content(image)))[0].tolist() == [[*RED], [*BLUE]]
        clear = read_photo(content(image, transparency=1))
        assert np.asarray(clear)[0].tolist() == [[*RED], [*WHITE]]

    @pytest.mark.parametrize("transparency", [None, 0])
    def test_grey_with_and_without_a_transparent_level(self, transparency):
        image = Image.new("L", (2, 1), 0)
        image.putpixel((1, 0), 90)
        options = {} if transparency is None else {"transparency": transparency}
        first = 0 if transparency is None else 255
        assert np.asarray(read_photo(content(image, **options)))[0].tolist() == [
            [first] * 3,
            [90] * 3,
        ]

    @pytest.mark.parametrize(
        ("bits", "colour_type", "row", "clear", "expected"),
        [
            (1, 0, b"\x40", b"\0\0", [255, 255]),
            (2, 0, b"\x60", b"\0\1", [255, 170]),
            (4, 0, b"\x37", b"\0\3", [255, 119]),
            (8, 0, b"\x21\x22", b"\0\x21", [255, 0x22]),
            (16, 0, b"\x21\1\x21\2", b"\x21\1", [255, 0x21]),
            (8, 2, b"\1\1\1\2\2\2", b"\0\1\0\1\0\1", [255, 2]),
            (16, 2, b"\1\7" * 3 + b"\2\7" * 3, b"\1\7" * 3, [255, 2]),
        ],
    )
    def test_a_transparent_level_of_any_depth(self, bits, colour_type, row, clear, expected):
        data = png(
            *(2, 1, (b"tRNS", clear), (b"IDAT", zlib.compress(b"\0" + row))),
            bit_depth=bits,
            colour_type=colour_type,
        )
        assert np.asarray(read_photo(data))[0, :, 0].tolist() == expected

    def test_grey_with_alpha_and_one_bit(self):
        grey = Image.merge("LA", [Image.new("L", (1, 1), 60), Image.new("L", (1, 1), 0)])
        assert read_photo(content(grey)).getpixel((0, 0)) == WHITE
        assert read_photo(content(Image.new("1", (1, 1), 1))).getpixel((0, 0)) == WHITE

    def test_sixteen_bits_keep_their_upper_eight(self):
        levels = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
        data = content(Image.fromarray(levels))
        assert np.asarray(read_photo(data))[0].tolist() == [[v] * 3 for v in (0, 0, 1, 128, 255)]

    def test_cmyk_jpeg(self):
        cyan = content(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG", quality=100)
        np.testing.assert_allclose(read_photo(cyan).getpixel((4, 4)), (0, 255, 255), atol=3)

    def test_the_first_frame_of_an_animation(self):
        frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN, BLUE)]
        for file_format in ("WEBP", "PNG", "GIF", "TIFF"):
            data = content(
                frames[0], file_format, save_all=True, append_images=frames[1:], lossless=True
            )
            assert read_photo(data).getpixel((0, 0)) == RED

    @pytest.mark.parametrize("orientation", STORED)
    @pytest.mark.parametrize("file_format", ["PNG", "WEBP", "JPEG", "TIFF"])
    def test_exif_orientation_is_applied(self, orientation, file_format):
        stored = np.kron(np.array(STORED[orientation], np.uint8) * 40, np.ones((16, 16)))
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = Image.fromarray(stored.astype(np.uint8)).convert("RGB")
        data = content(image, file_format, exif=exif, quality=100, lossless=True)
        upright = np.asarray(read_photo(data))[8::16, 8::16, 0] / 40
        np.testing.assert_allclose(upright, [[1, 2], [3, 4], [5, 6]], atol=0.1)

    @pytest.mark.parametrize("orientation", [0, 9, 65535])
    def test_an_impossible_orientation_is_upright(self, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        assert read_photo(content(noise(), exif=exif)).tobytes() == noise().tobytes()

    @pytest.mark.filterwarnings("ignore:.*EXIF.*:UserWarning")
    @pytest.mark.parametrize(
        "exif", [b"nonsense", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff" + b"\x01" * 30]
    )
    def test_broken_exif_does_not_harm(self, exif):
        for file_format in ("JPEG", "PNG", "WEBP"):
            data = content(noise(), file_format, exif=b"Exif\0\0" + exif, lossless=True)
            assert read_photo(data).size == (40, 30)

    def test_pillow_says_nothing_of_broken_exif(self, tmp_path):
        exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x0f\x01\x02\0\xff\0\0\0\xf0\xf0\0\0"
        path = write(tmp_path / "x.jpg", content(noise(), "JPEG", exif=exif))
        program = f"from spikehead.images import read_photo; read_photo({str(path)!r})"
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        assert (run.stdout, run.stderr) == (b"", b"")

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "it is empty"),
            (b"dear diary", "it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo"),
            (
                content(noise(), "ICO"),
                "it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo",
            ),
            (
                content(noise(), "PPM"),
                "it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo",
            ),
            (
                b"RIFF\x24\0\0\0WAVEfmt ",
                "it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo",
            ),
            (
                b"%!PS-Adobe-3.0 EPSF-3.0\n",
                "it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo",
            ),
            (png(0, 5, (b"IDAT", zlib.compress(b""))), "it is damaged: "),
            (png(100_000, 100_000), "it has more than 120 megapixels"),
            (png(15_000, 10_000), "it has more than 120 megapixels"),
            (webp(1 << 24, 255), "it "),
            (png(1000, 1), "it is a strip of 1000 x 1 pixels, longer than 100 times its width"),
            (png(8, 8), "it is damaged: "),
            (png(8, 8, (b"IDAT", b"junk")), "it is damaged: "),
            (
                png(8, 8, (b"zTXt", b"a\0\0" + zlib.compress(bytes(100_000_000)))),
                "it is damaged: Decompressed ",
            ),
        ],
        ids=range(14),
    )
    def test_hostile_files_are_refused_with_a_reason(self, data, reason):
        with pytest.raises(UnreadablePhoto, match=f"^{re.escape(reason)}"):
            read_photo(data)

    @pytest.mark.parametrize("file_format", FORMATS)
    @pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
    def test_truncated_files_are_refused(self, file_format, kept):
        data = content(noise(100, 100), file_format, lossless=True)
        with pytest.raises(UnreadablePhoto, match=r"^it is damaged: "):
            read_photo(data[: int(len(data) * kept)])

    @given(st.data())
    def test_whatever_is_changed_nothing_but_unreadable_photo_is_raised(self, draw):
        original = draw.draw(st.sampled_from([content(noise(), f, lossless=True) for f in FORMATS]))
        damaged = bytearray(original)
        for _ in range(draw.draw(st.integers(1, 8))):
            damaged[draw.draw(st.integers(0, len(damaged) - 1))] = draw.draw(st.integers(0, 255))
        with suppress(UnreadablePhoto):
            assert read_photo(bytes(damaged)).mode == "RGB"

    def test_headers_of_other_formats_that_promise_too_much(self):
        screen = bytearray(content(noise(), "GIF"))
        frame = bytearray(screen)
        screen[6:10] = b"\xff" * 4
        place = frame.index(b",", 13 + 3 * 256)
        frame[place + 5 : place + 9] = b"\xff" * 4
        bitmap = bytearray(content(noise(), "BMP"))
        bitmap[18:26] = struct.pack("<ii", 60_000, -60_000)
        tiff = content(noise(), "TIFF")
        width = tiff.index(struct.pack("<HHLL", 256, 4, 1, 40))
        tiff = tiff[: width + 8] + struct.pack("<L", 1 << 24) + tiff[width + 12 :]
        for data in (screen, frame, bitmap, tiff):
            with pytest.raises(UnreadablePhoto, match=r"^it has more than 120 megapixels$"):
                read_photo(bytes(data))

    def test_a_gif_that_hides_its_picture_behind_millions_of_blocks_is_refused(self):
        data = content(noise(), "GIF")
        start = 13 + 3 * 256
        assert read_photo(data[:start] + b"!\xfe\1x\0" * 100 + data[start:]).size == (40, 30)
        with pytest.raises(UnreadablePhoto, match=r"^its first picture comes after too much else$"):
            read_photo(data[:start] + b"!\xfe\1x\0" * 100_000 + data[start:])

    def test_values_of_32_bits_have_no_grey(self):
        for mode in ("I", "F"):
            with pytest.raises(UnreadablePhoto, match=r"^it has 32 bits a channel: save it with"):
                read_photo(content(Image.new(mode, (4, 4), 7), "TIFF"))

    def test_a_photo_that_does_not_fit_into_memory_is_refused(self, monkeypatch):
        def fail(image):
            raise MemoryError

        monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
        with pytest.raises(UnreadablePhoto, match=r"^it is damaged: MemoryError$"):
            read_photo(content(noise(), "JPEG"))

    def test_what_is_no_readable_file_is_refused(self, tmp_path, monkeypatch):
        with pytest.raises(UnreadablePhoto, match=r"^it does not exist$"):
            read_photo(tmp_path / "x.jpg")
        with pytest.raises(UnreadablePhoto, match=r"^it is not a file$"):
            read_photo(tmp_path)

        def refuse(path, *arguments):
            raise PermissionError(13, "Permission denied", str(path))

        path = write(tmp_path / "x.jpg", b"x")
        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(UnreadablePhoto, match=r"^it cannot be read: Permission denied$"):
            read_photo(path)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_a_pipe_does_not_block(self, tmp_path):
        os.mkfifo(tmp_path / "x.jpg")
        with pytest.raises(UnreadablePhoto, match=r"^it is not a file$"):
            photo_bytes(tmp_path / "x.jpg")

    def test_a_huge_file_is_not_read(self, tmp_path):
        path = write(tmp_path / "x.jpg")
        os.truncate(path, (256 << 20) + 1)
        with pytest.raises(UnreadablePhoto, match=r"^it is larger than 256 MiB$"):
            photo_bytes(path)

    def test_real_photos(self, real_data):
        path = sorted((real_data / "imagenette-300/train/tench").iterdir())[0]
        assert read_photo(path).tobytes() == Image.open(path).convert("RGB").tobytes()


class TestPreprocessing:
    def test_channels_are_normalised_each_by_itself(self):
        preprocessing = Preprocessing(resize=4, crop=4, mean=(0.5, 0.25, 0.0), std=(0.5, 1.0, 2.0))
        photo = noise(4, 4)
        pixels = np.asarray(photo, float)
        expected = np.stack(
            [pixels[..., 0] / 127.5 - 1, pixels[..., 1] / 255 - 0.25, pixels[..., 2] / 510]
        )
        result = preprocessing(photo)
        assert result.dtype == np.float32
        assert result.flags.c_contiguous
        np.testing.assert_allclose(result, expected, atol=1e-6)

    @pytest.mark.parametrize(
        ("size", "resized", "box"),
        [
            # The side that is resized to, cut to whole pixels; then the middle, as by torchvision.
            ((40, 30), (10, 8), (2, 1, 8, 7)),
            ((30, 41), (8, 10), (1, 2, 7, 8)),
            ((6, 7), (8, 9), (1, 2, 7, 8)),
            ((8, 8), (8, 8), (1, 1, 7, 7)),
            ((6, 6), (8, 8), (1, 1, 7, 7)),
            ((6, 600), (8, 800), (1, 397, 7, 403)),
        ],
    )
    @pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
    def test_short_side_resized_then_central_square(self, size, resized, box, interpolation):
        photo = noise(*size)
        preprocessing = Preprocessing(
            8, 6, mean=(0.0,) * 3, std=(1.0,) * 3, interpolation=interpolation
        )
        expected = photo.resize(resized, Image.Resampling[interpolation.upper()]).crop(box)
        result = np.rint(preprocessing(photo) * 255).transpose(1, 2, 0)
        np.testing.assert_array_equal(result, np.asarray(expected))

    @pytest.mark.parametrize(
        ("fit", "resize", "size", "resized", "place"),
        [
            # Beside a photo that is smaller than the crop, torchvision puts the odd pixel after it.
            ("cover", 5, (20, 10), (10, 5), (-1, 1)),
            ("cover", (4, 6), (20, 10), (8, 4), (0, 2)),
            ("cover", (6, 4), (20, 10), (12, 6), (-2, 1)),
            ("contain", 8, (20, 10), (8, 4), (0, 2)),
            ("contain", (8, 9), (10, 20), (4, 8), (2, 0)),
            ("contain", 6, (9, 6), (6, 4), (1, 2)),
            ("contain", 3, (90, 1), (3, 1), (2, 3)),
            ("stretch", 8, (20, 10), (8, 8), (0, 0)),
            ("stretch", (5, 10), (20, 10), (10, 5), (-1, 1)),
        ],
    )
    def test_other_ways_to_fit(self, fit, resize, size, resized, place):
        photo, mean = noise(*size), (0.1, 0.5, 0.9)
        preprocessing = Preprocessing(resize, 8, mean, fit=fit)
        expected = Image.new("RGB", (8, 8), (26, 128, 230) if fit == "contain" else "black")
        expected.paste(photo.resize(resized, Image.Resampling.BICUBIC), place)
        np.testing.assert_array_equal(preprocessing.frame(photo), expected)

    def test_a_crop_that_is_no_square(self):
        photo = noise(40, 30)
        preprocessing = Preprocessing((8, 12), (6, 11), fit="stretch")
        assert preprocessing.shape == preprocessing(photo).shape == (3, 6, 11)
        expected = photo.resize((12, 8), Image.Resampling.BICUBIC).crop((0, 1, 11, 7))
        np.testing.assert_array_equal(preprocessing.frame(photo), expected)
        assert Preprocessing.from_dict(preprocessing.to_dict()) == preprocessing
        assert preprocessing.to_dict()["fit"] == "stretch"

    def test_reducing_is_antialiased(self):
        chequered = Image.fromarray(np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 255)
        for interpolation in ("bilinear", "bicubic", "lanczos"):
            preprocessing = Preprocessing(8, 8, (0.0,), (1.0,), interpolation, "L")
            np.testing.assert_allclose(preprocessing(chequered), 0.5, atol=0.01)

    def test_grey(self):
        grey = Preprocessing(2, 2, (0.0,), (1.0,), mode="L")(Image.new("RGB", (2, 2), GREEN))
        np.testing.assert_allclose(grey, np.full((1, 2, 2), 0.587), atol=0.003)

    def test_dict_and_back(self):
        preprocessing = Preprocessing(320, 300, interpolation="bilinear")
        values = preprocessing.to_dict()
        assert values == {
            "resize": 320,
            "crop": 300,
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "interpolation": "bilinear",
            "mode": "RGB",
        }
        assert Preprocessing.from_dict(values) == preprocessing
        assert Preprocessing.from_dict({}) == Preprocessing()

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"crop": 0}, "crop must be a whole number from 1 to 4096, not 0"),
            ({"resize": 224.0}, "resize must be a whole number from 1 to 4096, not 224.0"),
            ({"resize": True}, "resize must be a whole number from 1 to 4096, not True"),
            ({"resize": 100_000}, "resize must be a whole number from 1 to 4096, not 100000"),
            ({"crop": [8]}, "crop must be a whole number from 1 to 4096, not (8,); two of them "),
            ({"crop": [8, 0]}, "crop must be a whole number from 1 to 4096, not (8, 0); two of "),
            ({"fit": "squash"}, "fit must be cover, contain or stretch, not 'squash'"),
            (
                {"interpolation": "cubic"},
                "interpolation must be nearest, bilinear, bicubic or lanczos, not 'cubic'",
            ),
            ({"interpolation": []}, "interpolation must be nearest, bilinear, bicubic or lanczos"),
            ({"mode": "BGR"}, "mode must be RGB or L, not 'BGR'"),
            (
                {"mode": "L"},
                "mean must be 1 finite numbers, one for each channel of L, "
                "not (0.485, 0.456, 0.406)",
            ),
            ({"mean": 0.5}, "mean must be 3 finite numbers, one for each channel of RGB, not 0.5"),
            ({"mean": [0, 0, "0"]}, "mean must be 3 finite numbers"),
            ({"std": [1, 1, float("nan")]}, "std must be 3 finite numbers"),
            ({"std": [1, 0, 1]}, "std must be above 0, not (1, 0, 1)"),
            (
                {"size": 3},
                "unknown preprocessing 'size': "
                "use resize, crop, mean, std, interpolation, mode or fit",
            ),
            (
                [1],
                "unknown preprocessing [1]: "
                "use resize, crop, mean, std, interpolation, mode or fit",
            ),
        ],
    )
    def test_impossible_values_are_explained(self, values, message):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            Preprocessing.from_dict(values)


class TestSplit:
    @given(
        st.lists(st.sampled_from("abcde"), max_size=80),
        st.floats(0.01, 0.99),
        st.integers(0, 2**32),
    )
    def test_each_class_is_split_by_itself(self, labels, fraction, seed):
        train, test = split(labels, fraction, seed)
        assert sorted([*train, *test]) == list(range(len(labels)))
        assert all(np.diff(train) > 0)
        assert all(np.diff(test) > 0)
        for label in set(labels):
            n = labels.count(label)
            n_test = sum(labels[i] == label for i in test)
            if n == 1:
                assert n_test == 0
            else:
                assert 1 <= n_test <= n - 1
                assert abs(n_test - fraction * n) <= 1

    @given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60), st.integers(0, 99))
    def test_other_classes_change_nothing(self, labels, seed):
        alone = [label for label in labels if label == "a"]
        positions = np.flatnonzero(np.array(labels) == "a")
        test = set(split(labels, seed=seed)[1])
        assert [i for i in positions if i in test] == list(positions[split(alone, seed=seed)[1]])

    def test_four_fifths_by_default_and_the_seed_decides(self):
        labels = ["cat"] * 100 + ["dog"] * 50
        train, test = split(labels)
        assert (len(train), len(test), sum(test < 100)) == (120, 30, 20)
        np.testing.assert_array_equal(test, split(labels)[1])
        assert list(test) != list(split(labels, seed=1)[1])

    def test_impossible_arguments_are_explained(self):
        with pytest.raises(ValueError, match=r"^test_fraction must be above 0 and below 1, not 1$"):
            split(["a"], 1)
        with pytest.raises(ValueError, match=r"^seed must not be negative, not -1$"):
            split(["a"], seed=-1)
