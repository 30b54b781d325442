from pathlib import Path


def handler(event, context):
    everything = sorted(
        path.relative_to("/everything").as_posix()
        for path in Path("/everything").rglob("*")
        if path.is_file()
    )
    return {
        "form": "archive-and-globs",
        "data": Path("/app/data/inner/value.txt").read_text().strip(),
        "everything": everything,
    }
