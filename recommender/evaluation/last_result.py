"""The result of the last `evaluate`, kept beside the models, and its HTML."""

import logging
from pathlib import Path

from jinja2 import TemplateError
from pydantic import ValidationError

from recommender.errors import ArtifactError
from recommender.evaluation.report import render_body, render_page
from recommender.evaluation.results import Evaluation
from recommender.model_store.folders import make_readable_folder, replace_text
from recommender.models.files import refuse_unless_file

logger = logging.getLogger(__name__)

# Next to the folders of models; no model may have this name.
FOLDER = "evaluation"
_JSON, _PAGE = "evaluation.json", "evaluation.html"
# A hundred times the size of a comparison of all models.
_MAX_BYTES = 16 << 20


def to_json(evaluation: Evaluation) -> str:
    """Return all figures as JSON text."""
    return evaluation.model_dump_json(indent=2) + "\n"


def keep(models: Path, evaluation: Evaluation) -> None:
    """Replace the kept result atomically.

    Args:
        models: the folder of the models; created if missing.
        evaluation: what was found.

    Raises:
        OSError: the folder cannot be made or written.
    """
    folder = models / FOLDER
    make_readable_folder(folder)
    replace_text(folder / _PAGE, render_page(evaluation))
    replace_text(folder / _JSON, to_json(evaluation))


def last_report(models: Path) -> str | None:
    """Return the last comparison as an HTML fragment; None if there is no readable one."""
    path = models / FOLDER / _JSON
    try:
        return render_body(Evaluation.model_validate_json(_read(path)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as exc:
        reason = f"it is not valid: {exc.errors(include_input=False)[0]['msg']}"
    except (OSError, ArtifactError) as exc:
        reason = str(exc)
    except (LookupError, TypeError, ValueError, ArithmeticError, TemplateError) as exc:
        # The types are valid, but figures that the page shows are missing.
        reason = f"it lacks figures ({type(exc).__name__})"
    logger.warning("%s cannot be shown: %s", path, reason)
    return None


def _read(path: Path) -> bytes:
    refuse_unless_file(path)
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ArtifactError(f"it has more than {_MAX_BYTES:,} bytes")
    return content
