export {
  fetchBySearch,
  finishSearch,
  type SearchFetchOptions,
  type SearchProgress,
} from "./fetch-by-search.js";
