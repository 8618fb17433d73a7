/** Civil dates of the proleptic Gregorian calendar from and to seconds since 1970-01-01 UTC (days-from-civil arithmetic). */

export interface CivilTime {
  readonly second: number
  readonly minute: number
  readonly hour: number
  /** 1 = Sunday. */
  readonly weekday: number
  readonly day: number
  readonly month: number
  readonly year: number
}

export function civilTime(epochSeconds: number): CivilTime {
  const days = Math.floor(epochSeconds / 86_400)
  const rest = epochSeconds - days * 86_400
  // Years begin in March here, so that the leap day is the last of a year; eras have 400 years.
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  return {
    second: rest % 60,
    minute: Math.floor(rest / 60) % 60,
    hour: Math.floor(rest / 3600),
    weekday: ((((days + 4) % 7) + 7) % 7) + 1,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
    month,
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
  }
}

/** Fields out of range carry over, so any guest nonsense is some moment. */
export function epochSeconds(time: Omit<CivilTime, 'weekday'>): number {
  const monthIndex = time.month - 1
  const year = time.year + Math.floor(monthIndex / 12) - (((monthIndex % 12) + 12) % 12 < 2 ? 1 : 0)
  const shiftedMonth = ((((monthIndex % 12) + 12) % 12) + 10) % 12
  const era = Math.floor(year / 400)
  const yearOfEra = year - era * 400
  const dayOfYear = Math.floor((153 * shiftedMonth + 2) / 5) + time.day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return (era * 146_097 + dayOfEra - 719_468) * 86_400 + time.hour * 3600 + time.minute * 60 + time.second
}
