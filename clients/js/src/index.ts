// The module: for pages that bundle, and for frameworks.

import type * as published from "../leadgate";
import { attach, configure, start, submit } from "./form";

export { attach, configure, start, submit };

// Checks that the module matches its published types.
({ attach, configure, start, submit }) satisfies typeof published;
