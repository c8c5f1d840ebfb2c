"""Small models in every variant of georeferencing, and the published formulas of geodesy without PROJ."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bim.georeference import Georeference
from bim.open import read_model

BESSEL = (6377397.155, 1 / 299.1528128)
GRS80 = (6378137.0, 1 / 298.257222101)
WGS84 = (6378137.0, 1 / 298.257223563)

HEAD = """ISO-10303-21;
HEADER;
FILE_DESCRIPTION(('ViewDefinition [CoordinationView]'),'2;1');
FILE_NAME('a.ifc','2026-01-01T00:00:00',(),(),'','','');
FILE_SCHEMA(('{schema}'));
ENDSEC;
DATA;
#1=IFCPROJECT('0jt2rJc6z1fwZdQThQPo00',$,'P',$,$,$,$,(#14),#9);
#2=IFCSIUNIT(*,.LENGTHUNIT.,{prefix},.METRE.);
#6=IFCSIUNIT(*,.PLANEANGLEUNIT.,$,.RADIAN.);
#7=IFCMEASUREWITHUNIT(IFCPLANEANGLEMEASURE(0.0174532925199433),#6);
#4=IFCDIMENSIONALEXPONENTS(0,0,0,0,0,0,0);
#8=IFCCONVERSIONBASEDUNIT(#4,.PLANEANGLEUNIT.,'degree',#7);
#9=IFCUNITASSIGNMENT((#2,#8));
#10=IFCCARTESIANPOINT(({wcs}));
#11=IFCDIRECTION((0.,0.,1.));
#12=IFCDIRECTION(({wcs_x}));
#13=IFCAXIS2PLACEMENT3D(#10,#11,#12);
#14=IFCGEOMETRICREPRESENTATIONCONTEXT($,'Model',3,1.E-05,#13,{north});
#15=IFCDIRECTION(({north_xy}));
#16=IFCCARTESIANPOINT(({at}));
#17=IFCAXIS2PLACEMENT3D(#16,$,$);
#18=IFCLOCALPLACEMENT($,#17);
#20=IFCSITE('0jt2rJc6z1fwZdQThQPo01',$,'S',$,$,#18,$,$,.ELEMENT.,{latlon},$,$);
#21=IFCRELAGGREGATES('0jt2rJc6z1fwZdQThQPo02',$,$,$,#1,(#20));
#22=IFCBUILDINGELEMENTPROXY('0jt2rJc6z1fwZdQThQPo03',$,'B',$,$,#18,$,$,$);
#23=IFCRELCONTAINEDINSPATIALSTRUCTURE('0jt2rJc6z1fwZdQThQPo04',$,$,$,(#22),#20);
{more}
ENDSEC;
END-ISO-10303-21;
"""


@pytest.fixture
def state(tmp_path: Path) -> Callable[..., Georeference]:
    """Writes a small model and has it read through the parent's door: what the file states."""

    def stating(
        more: str = "",
        *,
        schema: str = "IFC4",
        prefix: str = "$",
        wcs: str = "0.,0.,0.",
        wcs_x: str = "1.,0.,0.",
        north: tuple[float, float] | None = None,
        at: str = "0.,0.,0.",
        latlon: str = "$,$,$",
    ) -> Georeference:
        direction = "0.,1." if north is None else f"{north[0]!r},{north[1]!r}"
        text = HEAD.format(
            schema=schema, prefix=prefix, wcs=wcs, wcs_x=wcs_x, north="$" if north is None else "#15",
            north_xy=direction, at=at, latlon=latlon, more=more,
        )  # fmt: skip
        path = tmp_path / "a.ifc"
        path.write_text(text, encoding="ascii")
        return read_model(path, tmp_path / "out").georeference

    return stating


def _sin2(flattening: float) -> float:
    return flattening * (2 - flattening)


def krovak(lat_deg: float, lon_deg: float) -> tuple[float, float]:
    """Easting and northing of S-JTSK / Krovak East North; EPSG Guidance Note 7-2, method 9819, negated."""
    a, f = BESSEL
    e2 = _sin2(f)
    e = math.sqrt(e2)
    phi, lam = math.radians(lat_deg), math.radians(lon_deg)
    phi_c, lam_0 = math.radians(49.5), math.radians(24 + 50 / 60)
    alpha = math.radians(30 + 17 / 60 + 17.30311 / 3600)
    phi_p, k_p = math.radians(78.5), 0.9999
    big_a = a * math.sqrt(1 - e2) / (1 - e2 * math.sin(phi_c) ** 2)
    b = math.sqrt(1 + e2 * math.cos(phi_c) ** 4 / (1 - e2))
    gamma = math.asin(math.sin(phi_c) / b)

    def stretch(angle: float) -> float:
        return ((1 + e * math.sin(angle)) / (1 - e * math.sin(angle))) ** (e * b / 2)

    t_0 = math.tan(math.pi / 4 + gamma / 2) * stretch(phi_c) / math.tan(math.pi / 4 + phi_c / 2) ** b
    n, r_0 = math.sin(phi_p), k_p * big_a / math.tan(phi_p)
    u = 2 * (math.atan(t_0 * math.tan(phi / 2 + math.pi / 4) ** b / stretch(phi)) - math.pi / 4)
    v = b * (lam_0 - lam)
    t = math.asin(math.cos(alpha) * math.sin(u) + math.sin(alpha) * math.cos(u) * math.cos(v))
    theta = n * math.asin(math.cos(u) * math.sin(v) / math.cos(t))
    r = r_0 * math.tan(math.pi / 4 + phi_p / 2) ** n / math.tan(t / 2 + math.pi / 4) ** n
    return -r * math.sin(theta), -r * math.cos(theta)


def transverse_mercator(
    lat_deg: float, lon_deg: float, *, ellipsoid: tuple[float, float], lon_0: float, k_0: float, false_east: float
) -> tuple[float, float]:
    """Easting and northing by Krüger's series to the fourth order in n; EPSG Guidance Note 7-2, method 9807 (JHS)."""
    a, f = ellipsoid
    n = f / (2 - f)
    b = a / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    h = (
        n / 2 - 2 / 3 * n**2 + 5 / 16 * n**3 + 41 / 180 * n**4,
        13 / 48 * n**2 - 3 / 5 * n**3 + 557 / 1440 * n**4,
        61 / 240 * n**3 - 103 / 140 * n**4,
        49561 / 161280 * n**4,
    )
    phi, dlam, e = math.radians(lat_deg), math.radians(lon_deg - lon_0), math.sqrt(_sin2(f))
    q = math.asinh(math.tan(phi)) - e * math.atanh(e * math.sin(phi))
    beta = math.atan(math.sinh(q))
    eta_0 = math.atanh(math.cos(beta) * math.sin(dlam))
    xi_0 = math.asin(math.sin(beta) * math.cosh(eta_0))
    xi = xi_0 + sum(c * math.sin(2 * i * xi_0) * math.cosh(2 * i * eta_0) for i, c in enumerate(h, 1))
    eta = eta_0 + sum(c * math.cos(2 * i * xi_0) * math.sinh(2 * i * eta_0) for i, c in enumerate(h, 1))
    return false_east + k_0 * b * eta, k_0 * b * xi


def to_geocentric(lat_deg: float, lon_deg: float, h: float, ellipsoid: tuple[float, float]) -> tuple[float, ...]:
    a, f = ellipsoid
    phi, lam = math.radians(lat_deg), math.radians(lon_deg)
    nu = a / math.sqrt(1 - _sin2(f) * math.sin(phi) ** 2)
    across = (nu + h) * math.cos(phi)
    return across * math.cos(lam), across * math.sin(lam), (nu * (1 - _sin2(f)) + h) * math.sin(phi)


def to_geodetic(x: float, y: float, z: float, ellipsoid: tuple[float, float]) -> tuple[float, float]:
    a, f = ellipsoid
    p, phi = math.hypot(x, y), math.atan2(z, math.hypot(x, y))
    for _ in range(12):
        nu = a / math.sqrt(1 - _sin2(f) * math.sin(phi) ** 2)
        phi = math.atan2(z + _sin2(f) * nu * math.sin(phi), p)
    return math.degrees(phi), math.degrees(math.atan2(y, x))


def jtsk03_to_wgs84(lat_deg: float, lon_deg: float, h: float) -> tuple[float, float]:
    """EPSG:8368, a coordinate frame rotation: translations in metres, rotations in seconds of arc, no scale."""
    x, y, z = to_geocentric(lat_deg, lon_deg, h, BESSEL)
    rx, ry, rz = (math.radians(s / 3600) for s in (-7.786342, -4.397554, -4.102655))
    moved = (x + rz * y - ry * z + 485.021, -rz * x + y + rx * z + 169.465, ry * x - rx * y + z + 483.839)
    return to_geodetic(*moved, WGS84)


@pytest.fixture(scope="session")
def geodesy() -> SimpleNamespace:
    """The formulas."""
    return SimpleNamespace(
        krovak=krovak, transverse_mercator=transverse_mercator, jtsk03_to_wgs84=jtsk03_to_wgs84, wgs84=WGS84,
        grs80=GRS80,
    )  # fmt: skip


def metres_between(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Of two places in degrees, near each other."""
    north = math.radians(one[0] - other[0]) * 6_367_000
    return math.hypot(north, math.radians(one[1] - other[1]) * 6_378_000 * math.cos(math.radians(one[0])))


@pytest.fixture(scope="session")
def apart_m() -> Callable[..., float]:
    return metres_between
