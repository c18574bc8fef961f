;; The smallest component: no imports, no exports, no role.
(component)
