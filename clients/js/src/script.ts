// The script: starts by itself, and uses the gateway that it was loaded from.

import type * as published from "../leadgate";
import { attach, configure, start, submit } from "./form";

const script = document.currentScript as HTMLScriptElement | null;
if (script?.src) configure({ gateway: new URL(script.src).origin });
start();

(self as { leadgate?: typeof published }).leadgate = { attach, configure, start, submit };
