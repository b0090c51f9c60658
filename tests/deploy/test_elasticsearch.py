"""The index template for those who send our records to Elasticsearch."""

import json
from pathlib import Path

TEMPLATE = Path(__file__).parents[2] / "deploy" / "elasticsearch" / "genrf-logs.template.json"
# The mapping of the genRF guide.
GUIDE = {
    "timestamp": "date",
    "level": "keyword",
    "logger": "keyword",
    "message": "text",
    "circuit_type": "keyword",
    "technology": "keyword",
    "user_id": "keyword",
    "session_id": "keyword",
    "generation_time": "float",
    "spice_engine": "keyword",
}


def test_the_template_is_a_composable_one() -> None:
    """Its keys are those of `PUT _index_template/NAME`, its types are Elasticsearch's."""
    template = json.loads(TEMPLATE.read_text())
    assert set(template) == {"index_patterns", "priority", "template", "_meta"}
    assert set(template["template"]) == {"settings", "mappings"}
    types = {field["type"] for field in template["template"]["mappings"]["properties"].values()}
    assert types <= {"date", "keyword", "text", "float"}


def test_the_mapping_is_the_guide_s() -> None:
    """Every field of the guide has the guide's type; ids of traces come beside them."""
    properties = json.loads(TEMPLATE.read_text())["template"]["mappings"]["properties"]
    found = {name: field["type"] for name, field in properties.items()}
    assert found == GUIDE | {"trace_id": "keyword", "span_id": "keyword"}
