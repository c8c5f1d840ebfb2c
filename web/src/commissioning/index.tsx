import { DevicePage } from "./device";
import { DevicesView } from "./devices";
import "./commissioning.css";

/** Commissioning: all devices and how far they are, or one of them as a phone sees it in front of the cabinet. */
export default function CommissioningView({ device }: { device: string | null }) {
  return device ? <DevicePage key={device} device={device} /> : <DevicesView />;
}
