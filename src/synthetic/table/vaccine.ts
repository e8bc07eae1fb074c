import { type Code, code, SYSTEM } from "../code.js";

function vaccine(value: string, display: string): Code {
  return code(SYSTEM.cvx, value, display);
}

/** The yearly influenza vaccine. */
export const INFLUENZA: Code = vaccine("140", "Influenza, seasonal, injectable, preservative free");
/** Vaccines against COVID-19, given from 2021 on. */
export const COVID: readonly Code[] = [
  vaccine("208", "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose"),
  vaccine("207", "COVID-19, mRNA, LNP-S, PF, 100 mcg/0.5mL dose or 50 mcg/0.25mL dose"),
];

/** One dose of the schedule: the vaccine and the age at which it is due, in months. */
export interface ScheduledDose {
  readonly vaccine: Code;
  readonly month: number;
}

function doses(value: string, display: string, ...months: readonly number[]): readonly ScheduledDose[] {
  const given = vaccine(value, display);
  return months.map((month) => ({ vaccine: given, month }));
}

const YEARS = 12;

/** The schedule of childhood and adult vaccines beside influenza, by age due. */
export const SCHEDULE: readonly ScheduledDose[] = [
  ...doses("08", "Hep B, adolescent or pediatric", 0, 1, 6),
  ...doses("119", "rotavirus, monovalent", 2, 4),
  ...doses("49", "Hib (PRP-OMP)", 2, 4, 12),
  ...doses("133", "Pneumococcal conjugate PCV 13", 2, 4, 6, 12, 65 * YEARS),
  ...doses("10", "IPV", 2, 4, 6, 48),
  ...doses("20", "DTaP", 2, 4, 6, 15, 48),
  ...doses("83", "Hep A, ped/adol, 2 dose", 12, 18),
  ...doses("03", "MMR", 12, 48),
  ...doses("21", "varicella", 12, 48),
  ...doses("115", "Tdap", 11 * YEARS),
  ...doses("62", "HPV, quadrivalent", 11 * YEARS, 12 * YEARS, 13 * YEARS),
  ...doses("114", "meningococcal MCV4P", 11 * YEARS, 16 * YEARS),
  ...doses("113", "Td (adult) preservative free", ...[21, 31, 41, 51, 61, 71, 81, 91].map((y) => y * YEARS)),
  ...doses("43", "Hep B, adult", 30 * YEARS),
  ...doses("52", "Hep A, adult", 35 * YEARS),
  ...doses("121", "zoster", 60 * YEARS),
  ...doses("33", "pneumococcal polysaccharide vaccine, 23 valent", 66 * YEARS),
].sort((a, b) => a.month - b.month);
