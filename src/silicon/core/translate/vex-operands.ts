/** The operands that VEX forms have beyond those of their legacy twins. */

import type { IrRecord } from './record.js'

/** First source of a record: for legacy instructions the destination. */
export const firstOf = (record: IrRecord): number => (record.vex && record.vex.first >= 0 ? record.vex.first : record.d)
