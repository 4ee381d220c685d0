// The module: for pages that bundle, and for frameworks.

import type * as published from "../leadgate";
import { attach, configure, start, submit } from "./form";

export { attach, configure, start, submit };

// What is published is what is here.
({ attach, configure, start, submit }) satisfies typeof published;
