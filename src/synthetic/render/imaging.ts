import { DAY, dateTimeText, YEAR } from "../calendar.js";
import type { Chart } from "../chart.js";
import type { DeviceFact, ImagingFact } from "../fact.js";
import { jsonString } from "../json-text.js";
import { subject } from "./encounter.js";
import { head, type RenderOptions } from "./resource.js";

// The root for examples that nobody owns.
const UID_ROOT = "1.2.840.99999999";

/** The ImagingStudy resource. */
export function imagingText(chart: Chart, fact: ImagingFact, options: RenderOptions): string {
  const { kind, number } = fact;
  const started = dateTimeText(fact.startedAt);
  const modality = `{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"${kind.modality}","display":"${kind.modalityDisplay}"}`;
  const instance =
    `{"uid":"${UID_ROOT}.1.1.${Number(number)}","sopClass":{"system":"urn:ietf:rfc:3986","code":"urn:oid:${kind.sopClass}"},` +
    `"number":1,"title":${jsonString(`Image of ${kind.bodySite.display.toLowerCase()}`)}}`;
  return (
    `${head("ImagingStudy", fact, options)},"identifier":[{"use":"official","system":"urn:dicom:uid","value":"urn:oid:${UID_ROOT}.${Number(number)}"}],` +
    `"status":"available","subject":${subject(chart)},"encounter":{"reference":"Encounter/${fact.encounter.id}"},"started":"${started}",` +
    `"numberOfSeries":1,"numberOfInstances":1,"series":[{"uid":"${UID_ROOT}.1.${Number(number)}","number":1,"modality":${modality},` +
    `"numberOfInstances":1,"bodySite":${kind.bodySite.coding},"started":"${started}","instance":[${instance}]}]}`
  );
}

/** The Device resource. */
export function deviceText(chart: Chart, fact: DeviceFact, options: RenderOptions): string {
  const { serial, type } = fact;
  const identifier = `5137063${serial.slice(0, 7)}`;
  return (
    `${head("Device", fact, options, "implantable-device")},"udiCarrier":[{"deviceIdentifier":"${identifier}","carrierHRF":"(01)${identifier}(21)${serial}"}],` +
    `"status":"active","distinctIdentifier":"${identifier}","manufactureDate":"${dateTimeText(fact.implantedAt - 30 * DAY)}",` +
    `"expirationDate":"${dateTimeText(fact.implantedAt + 25 * YEAR)}","serialNumber":"${serial}",` +
    `"deviceName":[{"name":${jsonString(type.display)},"type":"user-friendly-name"}],"type":${type.concept},"patient":${subject(chart)}}`
  );
}
