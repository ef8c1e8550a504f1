// H3 cells as the page draws and names them: the server's tables hold the middles of cells only.

import { get } from "./api.js";

const OUTLINED = 150; // hexagons that one address asks for

// rows: of `/embeddings` of cells; each comes once, with its cell as `id` and its outline as `geometry`.
export async function hexagons(rows) {
  const cells = [...new Map(rows.map((row) => [row.h3, row])).values()];
  for (let at = 0; at < cells.length; at += OUTLINED) {
    const some = cells.slice(at, at + OUTLINED);
    const { outlines } = await get(`/api/hexagons?${new URLSearchParams(some.map((row) => ["cell", row.h3]))}`);
    for (const row of some) Object.assign(row, { id: row.h3, geometry: outlines[row.h3] });
  }
  return cells;
}
