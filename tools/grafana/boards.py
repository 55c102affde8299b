"""The six dashboards: what each panel asks, in what unit, and from where on it is a worry."""
# ruff: noqa: S608 - InfluxQL of our own words

from tools.grafana.panels import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    RED,
    Annotation,
    Dashboard,
    Look,
    Panel,
    Query,
    Variable,
)

HERE = '"site" =~ /^$site$/'
NOW = f"{HERE} AND $timeFilter"
THIS = f'"device" =~ /^$device$/ AND {NOW}'
EACH = "GROUP BY time($__interval)"
CRITICAL = "\"severity\" = 'critical'"
DENIED = "\"verdict\" = 'denied'"

SITE = Variable("site", "Site 园区", 'SHOW TAG VALUES WITH KEY = "site"')
ANNOTATIONS = (
    Annotation(
        "Alarms 报警",
        'SELECT "subject", "id", "severity" FROM "alarm" WHERE "state" = \'unacknowledged\''
        f' AND "severity" =~ /^(critical|high)$/ AND {NOW}',
        text="id",
        tags="severity",
        colour=AMBER,
    ),
    Annotation(
        "Fire 火警",
        f'SELECT "stage", "zone", "panel" FROM "fire" WHERE {NOW}',
        text="stage",
        tags="panel",
        colour=RED,
    ),
)

TRUTH = {"true": ("yes 是", GREEN), "false": ("no 否", RED)}
RUNNING = {"true": ("on 运行", GREEN), "false": ("off 停止", GREY)}
FAULT = {"true": ("fault 故障", RED), "false": ("–", GREY)}
STAGE = {"normal": ("normal 正常", GREEN), "fire": ("FIRE 火警", RED), "held": ("held open 保持常开", AMBER)}
NONE_IS_RIGHT = ((None, GREEN), (1.0, RED))
FEW_ARE_RIGHT = ((None, GREEN), (1.0, AMBER))
FILLING = ((None, GREEN), (0.7, AMBER), (0.8, RED))  # the alarm comes at 0.8
LATE = ((None, GREEN), (60.0, RED))

COUNT = Look("short", least=0)
NUMBER = Look(steps=((None, BLUE),), width=4, height=4)
WIDE = Look(width=24)


# -- what devices tell ---------------------------------------------------------------------------


def device(points: str) -> Variable:
    """Those that have points of such names."""
    where = f'{HERE} AND "point" =~ /^({points})$/'
    return Variable("device", "Device 设备", f'SHOW TAG VALUES WITH KEY = "device" WHERE {where}')


def counted_in(name: str, point: str, unit: str) -> Variable:
    """The devices that tell this point in this unit, where profiles differ in it."""
    where = f"{HERE} AND \"point\" = '{point}' AND \"unit\" = '{unit}'"
    return Variable(name, "", f'SHOW TAG VALUES FROM "point" WITH KEY = "device" WHERE {where}', hidden=True)


def numbers(points: str, among: str = "", factor: str = "") -> Query:
    """Of points of such names; `among`: a variable that says of which devices, beside the chosen ones."""
    which = f'"point" =~ /^({points})$/' + (f' AND "device" =~ /^${among}$/' if among else "")
    asked = f'SELECT mean("value"){factor} FROM "reading" WHERE {which} AND {THIS}'
    return Query(f'{asked} {EACH}, "device", "point" fill(none)', "$tag_device $tag_point")


def measured(title: str, points: str, look: Look, among: str = "") -> Panel:
    return Panel(title, "timeseries", (numbers(points, among),), look)


def states(title: str, points: str, words: dict[str, tuple[str, str]]) -> Panel:
    asked = f'SELECT last("state") FROM "reading" WHERE "point" =~ /^({points})$/ AND {THIS}'
    query = Query(f'{asked} {EACH}, "device", "point" fill(none)', "$tag_device $tag_point")
    return Panel(title, "state-timeline", (query,), Look(words=words, width=24))


# -- what the gateway tells ----------------------------------------------------------------------


def now(title: str, measurement: str, field: str, look: Look = NUMBER, tag: str = "site") -> Panel:
    asked = f'SELECT last("{field}") FROM "{measurement}" WHERE {NOW} GROUP BY "{tag}"'
    return Panel(title, "stat", (Query(asked, f"$tag_{tag}"),), look)


def course(title: str, measurement: str, field: str, look: Look = COUNT, tag: str = "site") -> Panel:
    return _course(title, f'mean("{field}")', measurement, tag, look)


def growth(title: str, measurement: str, field: str, look: Look = COUNT, tag: str = "site") -> Panel:
    """What a counter grows by; with the gateway it begins anew."""
    return _course(title, f'non_negative_difference(max("{field}"))', measurement, tag, look)


def speed(title: str, measurement: str, field: str, look: Look, tag: str = "site") -> Panel:
    return _course(title, f'non_negative_derivative(max("{field}"), 1s)', measurement, tag, look)


def _course(title: str, what: str, measurement: str, tag: str, look: Look) -> Panel:
    asked = f'SELECT {what} FROM "{measurement}" WHERE {NOW} {EACH}, "{tag}" fill(none)'
    return Panel(title, "timeseries", (Query(asked, f"$tag_{tag}"),), look)


# -- what happened -------------------------------------------------------------------------------


def often(title: str, measurement: str, field: str, tags: tuple[str, ...], also: str = "") -> Panel:
    grouped = ", ".join(f'"{tag}"' for tag in tags)
    where = f"{also} AND {NOW}" if also else NOW
    asked = f'SELECT count("{field}") FROM "{measurement}" WHERE {where} {EACH}, {grouped} fill(0)'
    return Panel(title, "timeseries", (Query(asked, " ".join(f"$tag_{tag}" for tag in tags)),), COUNT)


def altogether(title: str, measurement: str, field: str, tag: str, also: str) -> Panel:
    asked = f'SELECT count("{field}") FROM "{measurement}" WHERE {also} AND {NOW} GROUP BY "{tag}"'
    look = Look(steps=FEW_ARE_RIGHT, width=8, height=4)
    return Panel(title, "stat", (Query(asked, f"$tag_{tag}"),), look)


def missing(title: str) -> Panel:
    asked = f'SELECT sum("count") FROM "loss" WHERE {NOW} {EACH}, "cause" fill(none)'
    return Panel(title, "timeseries", (Query(asked, "$tag_cause"),), Look("short", NONE_IS_RIGHT, least=0))


def newest(title: str, measurement: str, columns: tuple[str, ...], also: str = "") -> Panel:
    chosen = ", ".join(f'"{column}"' for column in columns)
    where = f"{also} AND {NOW}" if also else NOW
    asked = f'SELECT {chosen} FROM "{measurement}" WHERE {where} ORDER BY time DESC LIMIT 100'
    return Panel(title, "table", (Query(asked),), WIDE)


DEVICES = Panel(
    "Devices 设备状态",
    "table",
    # Of all time: a device that came up months ago has told nothing since.
    (Query(f'SELECT last("up") AS "up", "reason" FROM "device" WHERE {HERE} GROUP BY "site", "device"'),),
    Look(words=TRUTH),
)
POOR = often("Readings not good 异常读数", "reading", "quality", ("device",), "\"quality\" <> 'good'")


# -- the dashboards ------------------------------------------------------------------------------

site = Dashboard(
    "sitewarden-site",
    "Site 园区总览",
    (SITE,),
    (
        now("Fire 火警", "site", "fire", Look(words=STAGE, width=4, height=4)),
        now("Open alarms 未恢复报警", "site", "alarms", Look(steps=FEW_ARE_RIGHT, width=4, height=4)),
        now(
            "Not acknowledged 未确认", "site", "unacknowledged", Look(steps=NONE_IS_RIGHT, width=4, height=4)
        ),
        now("Cars inside 场内车辆", "site", "inside"),
        now("Devices up 在线设备", "site", "devices_up"),
        now("Devices 设备总数", "site", "devices"),
        course("Open alarms 未恢复报警", "site", "alarms"),
        course("Devices up 在线设备", "site", "devices_up"),
        DEVICES,
        POOR,
        newest("Alarms 报警记录", "alarm", ("id", "severity", "state", "before", "subject")),
        newest("Writes 参数写入", "write", ("device", "point", "outcome", "value", "state", "reason")),
    ),
)

pumps = Dashboard(
    "sitewarden-pumps",
    "Pumps and tanks 水泵与水箱",
    (
        SITE,
        device("running|p[0-9]_running|level|pressure"),
        counted_in("watts", "power", "W"),
        counted_in("kilowatts", "power", "kW"),
    ),
    (
        states("Running 运行", "running|p[0-9]_running", RUNNING),
        states("Faults 故障", "alarm|warning|p[0-9]_(alarm|fail)|mains_fail|spill|high_level", FAULT),
        measured("Pressure 压力", "pressure", Look("pressurebar", ((None, RED), (1.5, GREEN)))),
        measured("Level 水位", "level", Look("lengthm", ((None, RED), (0.8, GREEN), (2.8, AMBER)))),
        measured("Flow 流量", "flow", Look("suffix: m³/h", least=0)),
        Panel(
            "Power 功率",
            "timeseries",
            (numbers("power", "watts"), numbers("power", "kilowatts", " * 1000")),
            Look("watt", least=0),
        ),
        measured("Speed 转速", "speed", Look("rotrpm", least=0)),
        measured("Frequency 频率", "frequency", Look("hertz", least=0)),
        measured("Current 电流", "current", Look("amp", least=0)),
        measured(
            "Temperature 温度", "temperature", Look("celsius", ((None, GREEN), (80, AMBER), (100, RED)))
        ),
        measured("Run hours 运行小时", "hours", Look("h", least=0)),
        measured("Energy 电量", "energy", Look("kwatth", least=0)),
    ),
)

lifts = Dashboard(
    "sitewarden-lifts",
    "Lifts 电梯",
    (SITE, device("floor|door_open|door_cycles"), counted_in("metres", "speed", "m/s")),
    (
        states(
            "Trapped and faults 困人与故障",
            "fault|fault_.*|.*_fault|trapped|overspeed|alarm_key|alarm_button",
            FAULT,
        ),
        states("Car 轿厢", "up|down|levelled|door_open|person", RUNNING),
        states("Maintenance 检修", "maintenance", {"true": ("yes 是", AMBER), "false": ("–", GREY)}),
        measured("Floor 楼层", "floor", Look("short", decimals=0)),
        measured("Speed 速度", "speed", Look("velocityms"), "metres"),
        measured("Vibration 振动", "vibration_[xyz]", Look("accMS2")),
        measured("Noise 噪声", "noise", Look("dB")),
        measured("Acceleration 加减速度", "(mean|start|brake)_(ac|de)celeration", Look("accMS2")),
        measured("Door cycles and floors run 开门次数与运行层数", "door_count|door_cycles|floors_run", COUNT),
    ),
)

parking = Dashboard(
    "sitewarden-parking",
    "Parking 停车场",
    (SITE,),
    (
        now("Cars inside 场内车辆", "site", "inside"),
        now("Places 车位", "site", "places"),
        altogether("Denied 拒绝放行", "decision", "why", "lane", DENIED),
        altogether("Without a card 无卡通过", "passage", "known", "lane", '"known" = false'),
        course("Cars inside 场内车辆", "site", "inside", Look("short", least=0, width=24)),
        often("Decisions 放行判定", "decision", "why", ("lane", "verdict")),
        often("Cars through 通行车辆", "passage", "known", ("lane", "direction")),
        newest("Denied 拒绝记录", "decision", ("lane", "direction", "why"), DENIED),
        newest("Opened by hand 人工开闸", "decision", ("lane", "direction", "by"), "\"why\" = 'operator'"),
    ),
    "now-24h",
)

fire = Dashboard(
    "sitewarden-fire",
    "Fire 消防",
    (SITE, device("line[0-9]+")),
    (
        now("Stage 阶段", "site", "fire", Look(words=STAGE, width=24, height=4)),
        newest("Fires 火警记录", "fire", ("stage", "before", "panel", "zone", "by")),
        measured("Supervised lines 监视线路", "line[0-9]+", Look("ohm")),
        DEVICES,
        newest("Let through by fire 火警放行", "decision", ("lane", "direction", "why"), "\"why\" = 'fire'"),
        newest("Critical alarms 紧急报警", "alarm", ("id", "state", "before", "subject"), CRITICAL),
    ),
    "now-7d",
)

gateway = Dashboard(
    "sitewarden-gateway",
    "Gateway and telemetry 网关与遥测",
    (SITE,),
    (
        now("Up for 已运行", "gateway", "uptime", Look("s", width=4, height=4)),
        now("Clock believed 时钟可信", "gateway", "clock_trusted", Look(words=TRUTH, width=4, height=4)),
        now("Journal 记录库", "gateway", "journal_ok", Look(words=TRUTH, width=4, height=4)),
        now("Spool 缓存占用", "gateway", "spool_fill", Look("percentunit", FILLING, width=4, height=4)),
        now("Destinations up 目的地", "sink", "up", Look(words=TRUTH, width=8, height=4), "sink"),
        course("Lag of what is new 实时延迟", "sink", "lag", Look("s", LATE, least=0), "sink"),
        course("Left by outages 积压", "sink", "backlog", COUNT, "sink"),
        course("Delivered 送达速率", "sink", "rate", Look("suffix: /s", least=0), "sink"),
        growth("Rejected or dropped 拒收或丢弃", "sink", "lost", Look("short", NONE_IS_RIGHT), "sink"),
        course("Dead letters 隔离行", "sink", "dead_letters", Look("short", NONE_IS_RIGHT, least=0), "sink"),
        course("Spool 缓存占用", "gateway", "spool_fill", Look("percentunit", FILLING, least=0, most=1)),
        often("Readings 读数", "reading", "quality", ("site",)),
        POOR,
        missing("Missing 缺失数据"),
        course("Memory 内存", "gateway", "memory", Look("bytes", least=0)),
        speed("CPU 处理器", "gateway", "cpu", Look("percentunit", least=0)),
        growth("Queue drops 队列溢出", "gateway", "queue_dropped", Look("short", NONE_IS_RIGHT)),
        growth(
            "Journal commits put off 延迟提交", "gateway", "journal_refused", Look("short", FEW_ARE_RIGHT)
        ),
    ),
)

BOARDS = (site, pumps, lifts, parking, fire, gateway)
