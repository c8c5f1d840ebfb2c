import { Banners } from "./components/banners";
import { Browse } from "./components/browse";
import { lazyView } from "./components/lazy_view";
import { Dialogs } from "./components/dialogs";
import { TimeBar } from "./components/time_bar";
import { TopBar, ViewLinks } from "./components/top_bar";
import { t } from "./i18n";
import { link } from "./state/link";
import { route } from "./state/route";
import { future, mode } from "./state/time";
import { DeviceView } from "./views/device";
import { NodesView } from "./views/nodes";
import { OverviewView } from "./views/overview";
import { PlaceView } from "./views/place";
import { PointView } from "./views/point";
import { TrendsView } from "./views/trends";

const AlarmsView = lazyView(() => import("./alarms"));
const FlightsView = lazyView(() => import("./flights"));
const AccountView = lazyView(() => import("./access"));
const ExploreView = lazyView(() => import("./explore"));
const ReportsView = lazyView(() => import("./reports"));
const CommissioningView = lazyView(() => import("./commissioning"));
const ShiftView = lazyView(() => import("./shift"));
const ModelView = lazyView(() => import("./model"));
const PlanView = lazyView(() => import("./plan"));
const ScheduleView = lazyView(() => import("./schedule"));

export function App() {
  return (
    <div class="app" data-mode={future.value ? "future" : mode.value} data-link={link.value.phase} data-view={route.value.view}>
      <a class="skip" href="#main">
        {t("view.skip")}
      </a>
      <TopBar />
      <Banners />
      <aside class="side" aria-label={t("view.browse")}>
        <Browse />
      </aside>
      <main id="main" tabIndex={-1}>
        <CurrentView />
      </main>
      <TimeBar />
      <ViewLinks class="foot-views" />
      <Dialogs />
    </div>
  );
}

function CurrentView() {
  const now = route.value;
  switch (now.view) {
    case "place":
      return <PlaceView key={now.id} id={now.id} />;
    case "device":
      return <DeviceView key={`${now.node}/${now.device}`} node={now.node} device={now.device} />;
    case "point":
      return <PointView key={now.id} id={now.id} />;
    case "trends":
      return <TrendsView />;
    case "nodes":
      return <NodesView />;
    case "alarms":
      return <AlarmsView />;
    case "account":
      return <AccountView tab={now.tab} />;
    case "explore":
      return <ExploreView />;
    case "reports":
      return <ReportsView />;
    case "shift":
      return <ShiftView />;
    case "commissioning":
      return <CommissioningView device={now.device} />;
    case "model":
      return <ModelView />;
    case "plan":
    case "map":
      return <PlanView />;
    case "flights":
      return <FlightsView />;
    case "schedule":
      return <ScheduleView />;
    default:
      return <OverviewView />;
  }
}
