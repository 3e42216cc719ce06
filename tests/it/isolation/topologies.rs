//! Every ordered pair of tenants on whole topologies: the documents' own, everything shared, and three tenants mixed.
