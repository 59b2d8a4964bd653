"""URL rules with ids that may hold slashes."""

from flask import Blueprint
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from recommender.texts.ids import IdForm

_NAME = "id"


class IdConverter(BaseConverter):
    """Matches an id with slashes. Werkzeug's own `path` excludes slashes at the start, and line ends."""

    regex = r"[\s\S]+?"
    part_isolating = False


def id_rule(blueprint: Blueprint, rule: str, **forms: IdForm) -> str:
    """Return a URL rule whose parameters may hold slashes where the form of their ids admits them.

    Servers decode `%2F` before a rule is matched, so that such an id looks like several parts of the path. If
    the form admits no slash, the rule stays as it is: paths below it do not exist.
    """
    for name, form in forms.items():
        if form.admits_slash:
            blueprint.record(_add_converter)
            rule = rule.replace(f"<{name}>", f"<{_NAME}:{name}>")
    return rule


def shown_rule(rule: str) -> str:
    """Return a rule as metrics and logs name it, the same for all forms of ids."""
    return rule.replace(f"<{_NAME}:", "<")


def _add_converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters[_NAME] = IdConverter
