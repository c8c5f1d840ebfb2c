"""What a mission is planned with: the camera, the drone, and what is asked of the pictures."""

import math

import msgspec

from wire.errors import InputError

__all__ = ["CAMERAS", "Camera", "Drone", "Wanted"]


class Camera(msgspec.Struct, frozen=True, kw_only=True):
    """A camera without distortion, as far as planning goes. DJI's numbers are for its WPML files."""

    name: str
    width_px: int
    height_px: int
    focal_mm: float
    sensor_width_mm: float
    dji_drone: tuple[int, int] = (77, 0)  # droneEnumValue, droneSubEnumValue
    dji_payload: int = 66

    @property
    def focal_px(self) -> float:
        """Focal length in pixels."""
        return self.focal_mm * self.width_px / self.sensor_width_mm

    def gsd_m(self, distance_m: float) -> float:
        """Surface that one pixel covers, head-on."""
        return distance_m / self.focal_px

    def half_angles(self) -> tuple[float, float]:
        """Tangents of half the picture's width and height."""
        return self.width_px / 2 / self.focal_px, self.height_px / 2 / self.focal_px


CAMERAS = {
    one.name: one
    for one in (
        Camera(name="dji-m3e", width_px=5280, height_px=3956, focal_mm=12.29, sensor_width_mm=17.4),
        Camera(name="dji-m30", width_px=4000, height_px=3000, focal_mm=4.5, sensor_width_mm=6.4, dji_drone=(67, 0),
               dji_payload=52),
        Camera(name="dji-p4rtk", width_px=5472, height_px=3648, focal_mm=8.8, sensor_width_mm=13.2),
        Camera(name="dji-p1", width_px=8192, height_px=5460, focal_mm=35.0, sensor_width_mm=35.9, dji_drone=(60, 0),
               dji_payload=50),
        Camera(name="24mm", width_px=4000, height_px=3000, focal_mm=4.3, sensor_width_mm=6.17),
    )
}  # fmt: skip
"""Known cameras by name."""


class Drone(msgspec.Struct, frozen=True, kw_only=True):
    """How a drone flies and what it costs. Energy is counted in seconds of hovering."""

    speed_m_s: float = 5.0
    climb_m_s: float = 3.0
    descent_m_s: float = 2.0
    endurance_s: float = 1_500.0  # of hovering with a full battery
    reserve: float = 0.25  # of the battery, kept for wind and for landing
    cruise_power: float = 1.05  # against hovering
    climb_power: float = 1.6
    descent_power: float = 0.9
    photo_s: float = 3.0  # stop, turn the gimbal, expose

    def check(self) -> None:
        """Raise InputError with the field that cannot be."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 < value <= 1e5) or (name == "reserve" and value >= 1):
                raise InputError(f"{value} cannot be", field=name, fix="give a positive number")

    @property
    def budget_s(self) -> float:
        """What one flight may use."""
        return self.endurance_s * (1 - self.reserve)

    def cost(self, level_m: float, up_m: float, down_m: float) -> tuple[float, float]:
        """Seconds of a leg, and its energy: level way, climb and descent are flown one after the other."""
        level, up, down = level_m / self.speed_m_s, up_m / self.climb_m_s, down_m / self.descent_m_s
        return level + up + down, level * self.cruise_power + up * self.climb_power + down * self.descent_power


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the pictures shall show, and how near the drone may come."""

    gsd_m: float = 0.005
    overlap: float = 0.7  # of neighbouring pictures
    standoff_m: float | None = None  # None: where the GSD is met
    angle_deg: float = 50.0  # between the view and the normal of a face, at most
    views: int | None = None  # pictures of each spot; None: what the overlap makes of it along one line
    clearance_m: float = 3.0  # to everything that stands
    low_m: float = 2.0  # above take-off, at least
    high_m: float = 120.0  # above take-off, at most

    def check(self) -> None:
        """Raise InputError with the field that cannot be."""
        bounds = {
            "gsd_m": (1e-5, 1.0), "overlap": (0.0, 0.95), "angle_deg": (5.0, 89.0),
            "clearance_m": (0.3, 100.0), "low_m": (-500.0, 500.0), "high_m": (1.0, 5_000.0),
        }  # fmt: skip
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise InputError(f"{getattr(self, name)} cannot be", field=name, fix=f"give {least} to {most}")
        if self.views is not None and not 1 <= self.views <= 20:
            raise InputError(f"{self.views} cannot be", field="views", fix="give 1 to 20")
        if self.standoff_m is not None and not 0.5 <= self.standoff_m <= 500:
            raise InputError(f"{self.standoff_m} m cannot be", field="standoff_m", fix="give 0.5 to 500")
        if self.high_m <= self.low_m:
            raise InputError("it is not above low_m", field="high_m", fix="let there be room between the two")

    @property
    def times(self) -> int:
        """How many pictures shall show each spot."""
        return math.ceil(1 / (1 - self.overlap) - 1e-9) if self.views is None else self.views

    def distance_m(self, camera: Camera) -> float:
        """Between camera and face; raises InputError when the standoff cannot show what the GSD asks for."""
        reach = self.gsd_m * camera.focal_px
        distance = reach if self.standoff_m is None else self.standoff_m
        if distance > reach * 1.001:
            problem = f"at {distance:g} m the camera {camera.name} shows {1000 * camera.gsd_m(distance):.1f} mm a pixel"
            raise InputError(problem, field="standoff_m", fix=f"come to {reach:.1f} m, or ask for less detail")
        return max(distance, self.clearance_m)
