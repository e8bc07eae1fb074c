import { type Code, snomed } from "../code.js";

/** What is seen in a study: the DICOM modality, its SOP class, and the part of the body. */
export interface ImagingKind {
  readonly modality: "DX" | "US" | "MG";
  readonly modalityDisplay: string;
  readonly sopClass: string;
  readonly bodySite: Code;
}

function digital(value: string, display: string): ImagingKind {
  return {
    modality: "DX",
    modalityDisplay: "Digital Radiography",
    sopClass: "1.2.840.10008.5.1.4.1.1.1.1",
    bodySite: snomed(value, display),
  };
}

/** Studies by the SNOMED CT code of the procedure that makes them. */
export const IMAGED: ReadonlyMap<string, ImagingKind> = new Map([
  ["399208008", digital("51185008", "Thoracic structure (body structure)")],
  ["74016001", digital("72696002", "Knee")],
  ["60027007", digital("8205005", "Wrist")],
  ["168594001", digital("51299004", "Clavicle")],
  ["19490002", digital("344001", "Ankle")],
  [
    "40701008",
    {
      modality: "US",
      modalityDisplay: "Ultrasound",
      sopClass: "1.2.840.10008.5.1.4.1.1.6.1",
      bodySite: snomed("80891009", "Heart structure (body structure)"),
    },
  ],
  [
    "71651007",
    {
      modality: "MG",
      modalityDisplay: "Mammography",
      sopClass: "1.2.840.10008.5.1.4.1.1.1.2",
      bodySite: snomed("76752008", "Breast structure (body structure)"),
    },
  ],
]);

/** Devices by the SNOMED CT code of the procedure that implants them. */
export const IMPLANTED: ReadonlyMap<string, Code> = new Map([
  ["18286008", snomed("72506001", "Implantable defibrillator, device (physical object)")],
]);
