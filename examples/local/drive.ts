/** One second of the drive. */
export interface DriveSample {
  id: number;
  latitude: number;
  longitude: number;
  /** Kilometres an hour. */
  speed: number;
  /** Milliseconds since 1970. */
  recordedAt: number;
}

/** A round tour of Europe; the drive goes from centre to centre, and starts again at the end. */
const TOWNS: readonly (readonly [latitude: number, longitude: number])[] = [
  [38.7223, -9.1393], // Lisboa
  [41.1579, -8.6291], // Porto
  [40.9701, -5.6635], // Salamanca
  [40.4168, -3.7038], // Madrid
  [41.6488, -0.8891], // Zaragoza
  [41.3874, 2.1686], // Barcelona
  [42.6887, 2.8948], // Perpignan
  [43.6108, 3.8767], // Montpellier
  [45.764, 4.8357], // Lyon
  [46.2044, 6.1432], // Genève
  [46.948, 7.4474], // Bern
  [47.3769, 8.5417], // Zürich
  [48.4011, 9.9876], // Ulm
  [48.1351, 11.582], // München
  [47.8095, 13.055], // Salzburg
  [48.2082, 16.3738], // Wien
  [49.1951, 16.6068], // Brno
  [50.0755, 14.4378], // Praha
  [51.0504, 13.7373], // Dresden
  [52.52, 13.405], // Berlin
  [53.5511, 9.9937], // Hamburg
  [53.2194, 6.5665], // Groningen
  [52.3676, 4.9041], // Amsterdam
  [51.2194, 4.4025], // Antwerpen
  [50.6292, 3.0573], // Lille
  [49.4432, 1.0993], // Rouen
  [48.8566, 2.3522], // Paris
  [47.3941, 0.6848], // Tours
  [44.8378, -0.5792], // Bordeaux
  [43.263, -2.935], // Bilbao
  [42.5987, -5.5671], // León
  [42.2406, -8.7207], // Vigo
];

const START = Date.UTC(2024, 2, 4, 6, 30);
const METRES_PER_DEGREE = 111_320;
const RADIANS = Math.PI / 180;

const TOWN_RADIUS = 5_000;
const TOWN_SPEED = 13.5; // metres a second: just under 50 km/h
const ACCELERATION = 1.6;
const BRAKING = 2.2;
const SIDEWAYS = 2.5; // what passengers put up with in a bend, in m/s²
const HOUR = 3_600;

/**
 * Simulates a car second by second: it accelerates and brakes within what a car does, slows down for bends
 * and towns, waits at lights, rests, and sleeps. Deterministic: the first n samples are always the same.
 */
export function* simulateDrive(count: number): Generator<DriveSample> {
  const random = randomNumbers(20_240_304);
  let [latitude, longitude] = TOWNS[0] as readonly [number, number];
  let next = 1;
  let target = TOWNS[next] as readonly [number, number];
  let heading = 0.3;
  let speed = 0;
  let cruise = TOWN_SPEED;
  let cruiseLeft = 0; // metres until another speed limit
  let travelled = 0;
  let toStop = 200; // metres to the next red light
  let waiting = 0; // seconds left at it
  let clock = START / 1_000;
  let sinceRest = 0;
  let sinceSleep = 0;
  let untilRest = 3 * HOUR;
  let fromTown = 0; // metres from the last town's centre

  for (let id = 1; id <= count; id++) {
    const scale = Math.cos(latitude * RADIANS);
    const north = (target[0] - latitude) * METRES_PER_DEGREE;
    const east = (target[1] - longitude) * METRES_PER_DEGREE * scale;
    const toTown = Math.hypot(north, east);
    if (toTown < 150) {
      next = (next + 1) % TOWNS.length;
      target = TOWNS[next] as readonly [number, number];
      fromTown = 0;
    }
    const inTown = Math.min(toTown, fromTown) < TOWN_RADIUS;

    // No road is straight: it leaves the direct line by two slow waves and one quick one, less near its end.
    const bends =
      0.5 * Math.sin(travelled / 7_300) +
      0.3 * Math.sin(travelled / 1_900) +
      0.18 * Math.sin(travelled / 410);
    const wanted = Math.atan2(east, north) + bends * Math.min(1, toTown / 3_000);
    const off = turn(wanted - heading);
    const sharpest = Math.min(0.35, SIDEWAYS / Math.max(speed, 3));
    const steer = Math.max(-sharpest, Math.min(sharpest, off * 0.25));
    if (speed > 0.5) heading = turn(heading + steer);

    if (cruiseLeft <= 0) {
      cruise = 19 + 17 * random();
      cruiseLeft = 3_000 + 25_000 * random();
    }
    const limit = (inTown ? TOWN_SPEED : cruise) * (0.96 + 0.04 * Math.sin(travelled / 900));
    const bend = Math.sqrt((SIDEWAYS * 40) / Math.max(0.05, Math.abs(off)));
    const light = inTown ? Math.sqrt(2 * BRAKING * Math.max(0, toStop - 2)) : Infinity;
    const goal = Math.min(limit, bend, light);
    if (waiting > 0) {
      waiting--;
      speed = 0;
    } else {
      speed = Math.max(0, Math.min(goal, speed + ACCELERATION), speed - BRAKING);
      if (inTown && toStop < 4 && speed < 0.3) {
        waiting = 5 + Math.floor(random() * 50);
        toStop = 150 + 700 * random();
      }
    }

    travelled += speed;
    fromTown += speed;
    cruiseLeft -= speed;
    if (inTown) toStop -= speed;
    latitude += (speed * Math.cos(heading)) / METRES_PER_DEGREE;
    longitude += (speed * Math.sin(heading)) / (METRES_PER_DEGREE * scale);

    yield { id, latitude, longitude, speed: speed * 3.6, recordedAt: clock * 1_000 };

    // One sample a second while the engine runs; rests and nights are gaps in time, taken standing.
    clock++;
    sinceRest++;
    sinceSleep++;
    if (speed === 0 && sinceSleep > 8.5 * HOUR) {
      const midnight = Math.ceil(clock / (24 * HOUR)) * 24 * HOUR;
      clock = midnight + Math.floor((6 + 1.5 * random()) * HOUR);
      sinceSleep = sinceRest = 0;
    } else if (speed === 0 && sinceRest > untilRest) {
      clock += Math.floor((0.25 + 0.6 * random()) * HOUR);
      sinceRest = 0;
      untilRest = (2 + 1.5 * random()) * HOUR;
    }
  }
}

/** An angle between -π and π. */
function turn(angle: number): number {
  return angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));
}

/** Mulberry32: a small generator of numbers between 0 and 1 that gives the same ones everywhere. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
