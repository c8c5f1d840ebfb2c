import { Banners } from "./components/banners";
import { Browse } from "./components/browse";
import { Dialogs } from "./components/dialogs";
import { TimeBar } from "./components/time_bar";
import { TopBar, ViewLinks } from "./components/top_bar";
import { t } from "./i18n";
import { link } from "./state/link";
import { route } from "./state/route";
import { mode } from "./state/time";
import { DeviceView } from "./views/device";
import { NodesView } from "./views/nodes";
import { OverviewView } from "./views/overview";
import { PlaceView } from "./views/place";
import { PointView } from "./views/point";
import { TrendsView } from "./views/trends";

export function App() {
  return (
    <div class="app" data-mode={mode.value} data-link={link.value.phase} data-view={route.value.view}>
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
    default:
      return <OverviewView />;
  }
}
