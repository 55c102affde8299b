"""The host that the tests listen with: what it hears wrong it complains of, by the rule that was broken."""

from collections.abc import Callable

import pytest

from tests.gateway.sparkplug_definition import PAYLOAD, Message
from tests.gateway.sparkplug_ear import state
from tests.gateway.sparkplug_host import REBIRTH, Host

NOW = 1_767_225_600_000
Sent = dict[str, tuple[str, Message, int, bool]]


def session() -> Sent:
    """A session that breaks no rule: topic, payload, QoS, retained."""

    def payload(seq: int, **metric: object) -> Message:
        it = PAYLOAD(timestamp=NOW, seq=seq)
        if metric:
            it.metrics.add(timestamp=NOW, **metric)
        return it

    birth = payload(0, name="bdSeq", alias=0, datatype=4, long_value=7)
    birth.metrics.add(timestamp=NOW, name=REBIRTH, datatype=11, boolean_value=False)
    death = PAYLOAD()
    death.metrics.add(name="bdSeq", datatype=4, long_value=7)
    told = {
        "NBIRTH/n": birth,
        "DBIRTH/n/d": payload(1, name="a", alias=1, datatype=10, double_value=1.0),
        "DDATA/n/d": payload(2, alias=1, double_value=2.0),
        "DDEATH/n/d": payload(3),
        "NDEATH/n": death,
    }
    return {name.split("/")[0]: (f"spBv1.0/g/{name}", it, 0, False) for name, it in told.items()}


def complaints(sent: Sent) -> list[str]:
    host = Host("g", "n")
    for topic, payload, qos, retain in sent.values():
        host.hear(topic, payload.SerializeToString(), qos, retain)
    return [complaint.split(":")[0] for complaint in host.complaints]


def metric(sent: Sent, verb: str, number: int = 0) -> Message:
    return sent[verb][1].metrics[number]


def test_of_what_is_right_nobody_complains() -> None:
    assert complaints(session()) == []


BREAKS: dict[str, Callable[[Sent], object]] = {
    "topics-nbirth-seq-num": lambda it: setattr(it["NBIRTH"][1], "seq", 1),
    "topics-nbirth-bdseq-included": lambda it: setattr(metric(it, "NBIRTH"), "name", "bdseq"),
    "operational-behavior-data-commands-rebirth-name": lambda it: setattr(
        metric(it, "NBIRTH", 1), "name", "x"
    ),
    "operational-behavior-data-commands-rebirth-name-aliases": lambda it: setattr(
        metric(it, "NBIRTH", 1), "alias", 9
    ),
    "operational-behavior-data-commands-rebirth-value": lambda it: setattr(
        metric(it, "NBIRTH", 1), "boolean_value", True
    ),
    "message-flow-device-birth-publish-nbirth-wait": lambda it: it.pop("NBIRTH"),
    "operational-behavior-data-publish-dbirth": lambda it: it.pop("DBIRTH"),
    "payloads-ddata-seq-inc": lambda it: setattr(it["DDATA"][1], "seq", 4),
    "payloads-ddata-timestamp": lambda it: it["DDATA"][1].ClearField("timestamp"),
    "payloads-ddata-qos": lambda it: it.update(DDATA=(*it["DDATA"][:2], 1, False)),
    "payloads-dbirth-retain": lambda it: it.update(DBIRTH=(*it["DBIRTH"][:2], 0, True)),
    "payloads-alias-uniqueness": lambda it: setattr(metric(it, "DBIRTH"), "alias", 0),
    "payloads-alias-birth-requirement": lambda it: metric(it, "DBIRTH").ClearField("alias"),
    "payloads-metric-datatype-req": lambda it: metric(it, "DBIRTH").ClearField("datatype"),
    "payloads-alias-data-cmd-requirement": lambda it: setattr(metric(it, "DDATA"), "name", "a"),
    "topics-dbirth-metric-reqs": lambda it: setattr(metric(it, "DDATA"), "alias", 2),
    "payloads-name-birth-data-requirement": lambda it: metric(it, "DDATA").ClearField("timestamp"),
    "payloads-metric-datatype-value-type": lambda it: setattr(metric(it, "DDATA"), "long_value", 2),
    "operational-behavior-data-publish-dbirth-values": lambda it: setattr(
        metric(it, "DDATA"), "is_null", True
    ),
    "back in time": lambda it: setattr(metric(it, "DDATA"), "timestamp", NOW - 1),
    "payloads-propertyset-keys-array-size": lambda it: metric(it, "DDATA").properties.keys.append("k"),
    "operational-behavior-device-ddeath": lambda it: it.update(
        DDEATH=("spBv1.0/g/DDEATH/n/e", *it["DDEATH"][1:])
    ),
    "payloads-ndeath-seq": lambda it: setattr(it["NDEATH"][1], "seq", 4),
    "topics-ndeath-payload": lambda it: it["NDEATH"][1].metrics.add(name="b"),
}


@pytest.mark.parametrize("rule", BREAKS)
def test_a_rule_that_is_broken_is_named(rule: str) -> None:
    sent = session()
    BREAKS[rule](sent)
    assert rule in complaints(sent)


def test_the_next_session_has_the_next_number() -> None:
    host = Host("g", "n")
    for bdseq in (7, 7, 8, 10):
        sent = session()
        for verb in ("NBIRTH", "NDEATH"):
            metric(sent, verb).long_value = bdseq
            host.hear(sent[verb][0], sent[verb][1].SerializeToString(), 0, False)
    assert host.complaints == ["topics-nbirth-bdseq-increment: 7", "topics-nbirth-bdseq-increment: 10"]


def told_of(*story: str) -> list[str]:
    """What is wrong with births and deaths of a node between STATE messages of its primary host."""
    sent, host = session(), Host("g", "n", "scada")
    for number, word in enumerate(story):
        if word in ("NBIRTH", "NDEATH"):
            host.hear(sent[word][0], sent[word][1].SerializeToString(), 0, False)
        else:
            of, online, at = word.split()
            host.hear(f"spBv1.0/STATE/{of}", state(online == "online", int(at)), 1, number == 0)
    return host.complaints


def test_a_node_waits_for_its_primary_host_and_leaves_with_it() -> None:
    wait = ["message-flow-edge-node-birth-publish-phid-wait: "]
    offline = ["message-flow-edge-node-birth-publish-phid-offline: "]
    assert told_of("scada online 5", "NBIRTH", "scada offline 5", "NDEATH") == []
    assert told_of("scada online 5", "scada offline 4", "NBIRTH") == []
    assert told_of("NBIRTH") == wait
    assert told_of("scada offline 5", "NBIRTH") == wait
    assert told_of("other online 5", "NBIRTH") == wait
    assert told_of("scada online 5", "scada offline 6", "NBIRTH") == wait
    again = ("scada online 5", "NBIRTH", "scada offline 6", "scada online 7", "NBIRTH")
    assert told_of(*again) == offline
