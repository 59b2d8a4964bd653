"""A domain declares its items once, and an app's own declarations are refused if they cannot be served."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import BaseModel
from typing_extensions import is_typeddict

from config.request_settings import RequestSettings
from config.settings import load_settings
from recommender.api.explorer.tuning import tuning_query
from recommender.api.items.requests import PopularQuery, SimilarQuery
from recommender.api.recommendations.requests import (
    BatchBody,
    PreviewBody,
    RecommendationsQuery,
    StreamedBatchBody,
)
from recommender.api.request_models import RequestLimits, bounded
from recommender.batch.rows import RowMaker
from recommender.diagnostics.expectations import STATEMENTS
from recommender.domains.attributes import Attribute, AttributeKind
from recommender.domains.base import RESERVED_FIELDS, RESERVED_PARAMETERS, Domain
from recommender.domains.declaration import with_own_attributes
from recommender.domains.media import MEDIA
from recommender.entities import DatabaseName
from recommender.errors import ConfigurationError
from recommender.results import schemas as result_schemas


def declared(folder: Path, text: str) -> Domain:
    path = folder / "attributes.toml"
    path.write_text(text)
    return with_own_attributes(MEDIA, path)


@pytest.mark.parametrize("name", ["fetch_media", "fetch_catalogue"])
def test_the_declared_attributes_are_those_that_the_statements_return(name: str) -> None:
    wanted = MEDIA.returned_types(name)
    assert wanted is not None
    assert tuple(types[0] for types in wanted) == STATEMENTS[DatabaseName.CATALOG][name].returns


def test_the_file_that_comes_with_the_service_declares_nothing() -> None:
    settings = load_settings({}, dotenv_path=None)
    assert with_own_attributes(MEDIA, settings.catalog.attributes_path) == MEDIA


def test_attributes_of_ones_own_come_after_ours_in_the_order_of_the_file(tmp_path: Path) -> None:
    domain = declared(
        tmp_path,
        '[tags]\nkind = "set"\ncolumn = "tag_names"\n[tagline]\nkind = "text"\n'
        '[rating]\nkind = "number"\ndescription = "Of five."\n[studio]\n'
        'kind = "category"\nfilterable = false',
    )
    assert [attribute.name for attribute in domain.shown[-4:]] == ["tags", "tagline", "rating", "studio"]
    assert [attribute.column for attribute in domain.own_returned("fetch_catalogue")] == [
        "tag_names",
        "rating",
    ]
    assert domain.filter_parameters[-7:-2] == ("tags", "exclude_tags", "min_rating", "max_rating", "match")
    assert domain.filter_parameters[-2:] == ("match_genre", "match_tags")
    assert MEDIA.filter_parameters[-1] == "match", "there is only one set"
    assert domain.own[2].description == "Of five."
    assert (domain.returned_types("fetch_media") or [])[-4:] == [
        ("text[]",),
        ("text",),
        ("float8", "float4", "int"),
        ("text",),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[x", "cannot be read as TOML"),
        ('[match_genre]\nkind = "category"', "match_genre: requests have a parameter match_genre already"),
        ('x = "set"', "x: must be a table such as [x], with a kind"),
        ("[x]", "x: kind is missing; it must be one of set, category, number, text"),
        ('[x]\nkind = "sett"', "x: kind must be one of set, category, number, text, got 'sett'"),
        (
            '[x]\nkind = "set"\ntype = 1',
            "x: there is no type; kind, column, filterable, description are allowed",
        ),
        ('[x]\nkind = "set"\nfilterable = "no"', "x: filterable: Input should be a valid boolean, got 'no'"),
        ('[x]\nkind = "text"\nfilterable = true', "x: text is only shown"),
        ('[Big]\nkind = "set"', "Big: a name must be of 1 to 40 characters"),
        ('[genres]\nkind = "set"', "genres: answers have a field genres"),
        (
            '[genre]\nkind = "set"',
            "genre: requests have a parameter genre and requests have a parameter exclude_",
        ),
        ('[year]\nkind = "number"', "year: requests have a parameter min_year and"),
        ('[limit]\nkind = "category"', "limit: requests have a parameter limit already; choose another name"),
        ('[reason]\nkind = "text"', "reason: answers have a field reason"),
        ('[x]\nkind = "number"\n[min_x]\nkind = "set"', "min_x: requests have a parameter min_x already"),
    ],
)
def test_a_wrong_declaration_is_refused_by_file_and_attribute(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        declared(tmp_path, text)
    assert str(refused.value).startswith(f"{tmp_path / 'attributes.toml'}: {says}")


def test_a_missing_declaration_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: cannot be read"):
        with_own_attributes(MEDIA, tmp_path / "none.toml")


def test_a_domain_without_a_set_to_state_preferences_of_is_refused() -> None:
    for indexed in ((), ("media_type",), ("nothing",)):
        with pytest.raises(ConfigurationError, match="media: "):
            replace(MEDIA, indexed=indexed)


def test_every_name_that_answers_and_requests_have_is_reserved() -> None:
    ours = {attribute.name for attribute in MEDIA.attributes}
    items = (
        result_schemas.Recommended,
        result_schemas.PopularMedium,
        result_schemas.SimilarMedium,
    )
    fields = {name for kind in items if is_typeddict(kind) for name in kind.__annotations__}
    assert fields >= {"id", "reason", "similarity"}
    assert (fields | set(RowMaker(MEDIA, in_experiments=True).columns)) - ours == RESERVED_FIELDS

    limits = RequestLimits(RequestSettings())
    models = (RecommendationsQuery, BatchBody, StreamedBatchBody, PreviewBody, PopularQuery, SimilarQuery)
    asked: list[type[BaseModel]] = [tuning_query(1, MEDIA), *(bounded(model, limits) for model in models)]
    names = {name for model in asked for name in model.model_fields}
    assert names - set(MEDIA.filter_parameters) <= RESERVED_PARAMETERS


@pytest.mark.parametrize(
    "name", ["filters", "options", "page", "readers", "ranges", "model_config", "copy", "json", "tuning"]
)
def test_an_attribute_named_like_a_part_of_requests_is_refused(tmp_path: Path, name: str) -> None:
    domain = declared(tmp_path, f'[{name}]\nkind = "category"')

    def make_all() -> None:
        for model in (RecommendationsQuery, BatchBody, PreviewBody, PopularQuery, SimilarQuery):
            bounded(model, RequestLimits(RequestSettings(), domain))
        tuning_query(1, domain)

    with pytest.raises(ConfigurationError, match=f"{name}: requests have something of this name"):
        make_all()


def test_text_attributes_are_never_filters() -> None:
    assert Attribute("x", AttributeKind.TEXT).parameters == ()
