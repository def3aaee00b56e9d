// Everything is put together here; each module draws its own part of the page.

import { channel } from "./channel.js";
import { composer } from "./composer.js";
import { sides } from "./sides.js";
import { frame } from "./frame.js";
import { road } from "./road.js";
import { travel } from "./dots.js";
import { wash } from "./wash.js";
import { trouble } from "./trouble.js";
import { log } from "./log.js";
import { story } from "./story.js";
import { tour } from "./tour.js";
import { real } from "./real.js";
import { connect } from "./feed.js";

for (const part of [frame, real, channel, composer, sides, road, travel, wash, trouble, log, story, tour]) part();
connect();
