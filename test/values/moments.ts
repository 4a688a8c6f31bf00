/** Half of the moments within 50 years, the others anywhere that PostgreSQL has a calendar. */
export const anyMoment = `timestamp '2000-01-01' + floor((random() - 0.5) * 3e9) * interval '1 second' + floor(random() * 1e6) * interval '1 microsecond' + CASE WHEN i % 2 = 0 THEN floor((random() - 0.02) * 9.1e12) * interval '1 second' ELSE interval '0' END`;
