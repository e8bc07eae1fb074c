/** A town in Massachusetts: where people live and clinics stand. */
export interface Place {
  readonly city: string;
  readonly postalCode: string;
  readonly latitude: number;
  readonly longitude: number;
}

const ROWS: readonly (readonly [string, string, number, number])[] = [
  ["Boston", "02108", 42.3575, -71.0652],
  ["Boston", "02118", 42.3388, -71.0727],
  ["Boston", "02124", 42.2857, -71.0711],
  ["Boston", "02130", 42.3094, -71.1151],
  ["Worcester", "01602", 42.2701, -71.8417],
  ["Worcester", "01605", 42.2899, -71.7889],
  ["Springfield", "01103", 42.1029, -72.5887],
  ["Springfield", "01109", 42.1145, -72.5548],
  ["Cambridge", "02139", 42.3647, -71.1042],
  ["Cambridge", "02140", 42.3932, -71.1338],
  ["Lowell", "01852", 42.6343, -71.298],
  ["Brockton", "02301", 42.0794, -71.0397],
  ["New Bedford", "02740", 41.6348, -70.9465],
  ["Quincy", "02169", 42.2491, -70.9978],
  ["Lynn", "01902", 42.4734, -70.9384],
  ["Fall River", "02720", 41.7208, -71.1116],
  ["Newton", "02458", 42.3532, -71.1875],
  ["Somerville", "02143", 42.3829, -71.1028],
  ["Lawrence", "01841", 42.7115, -71.1668],
  ["Framingham", "01701", 42.3251, -71.4368],
  ["Haverhill", "01830", 42.7856, -71.0721],
  ["Waltham", "02451", 42.3986, -71.245],
  ["Malden", "02148", 42.4291, -71.0605],
  ["Brookline", "02445", 42.3264, -71.1417],
  ["Plymouth", "02360", 41.9109, -70.6421],
  ["Medford", "02155", 42.4224, -71.1087],
  ["Taunton", "02780", 41.9058, -71.1026],
  ["Chicopee", "01013", 42.1624, -72.6046],
  ["Weymouth", "02188", 42.2112, -70.9582],
  ["Revere", "02151", 42.4183, -71.0013],
  ["Peabody", "01960", 42.5326, -70.9612],
  ["Methuen", "01844", 42.728, -71.181],
  ["Barnstable", "02630", 41.7003, -70.3002],
  ["Pittsfield", "01201", 42.4537, -73.2609],
  ["Attleboro", "02703", 41.9391, -71.2942],
  ["Arlington", "02474", 42.422, -71.1581],
  ["Salem", "01970", 42.5128, -70.902],
  ["Westfield", "01085", 42.1299, -72.7551],
  ["Leominster", "01453", 42.5209, -71.7717],
  ["Fitchburg", "01420", 42.5796, -71.8031],
  ["Holyoke", "01040", 42.2125, -72.6411],
  ["Amherst", "01002", 42.3759, -72.4677],
  ["Northampton", "01060", 42.3223, -72.6313],
  ["Gloucester", "01930", 42.6208, -70.6721],
];

/** The places; larger towns stand in several rows, one per postal code. */
export const PLACES: readonly Place[] = ROWS.map(([city, postalCode, latitude, longitude]) => ({
  city,
  postalCode,
  latitude,
  longitude,
}));

/** Names of streets without their kind. */
export const STREETS: readonly string[] = [
  "Maple",
  "Oak",
  "Harbor",
  "Summer",
  "Pleasant",
  "Washington",
  "Franklin",
  "Chestnut",
  "Prospect",
  "Highland",
  "Walnut",
  "Cedar",
  "Beacon",
  "Tremont",
  "Linden",
  "Spring",
  "Church",
  "School",
  "Mill",
  "Elm",
  "Lincoln",
  "Grove",
  "Central",
  "Orchard",
  "Winthrop",
  "Saint-André",
  "Peña",
  "Willow",
  "River",
  "Hawthorne",
];

/** Kinds of streets. */
export const STREET_KINDS: readonly string[] = [
  "Street",
  "Avenue",
  "Road",
  "Lane",
  "Court",
  "Drive",
  "Place",
  "Terrace",
];

/** Places of birth outside the country: city, state or province, country code. */
export const BIRTHPLACES: readonly (readonly [string, string, string])[] = [
  ["San José", "San José", "CR"],
  ["Ponce", "Puerto Rico", "PR"],
  ["Lisboa", "Lisboa", "PT"],
  ["São Paulo", "SP", "BR"],
  ["Port-au-Prince", "Ouest", "HT"],
  ["Hà Nội", "Hà Nội", "VN"],
  ["Praia", "Santiago", "CV"],
  ["Dublin", "Leinster", "IE"],
  ["Kraków", "Małopolska", "PL"],
];
