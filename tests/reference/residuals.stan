// Residuals of a patient correlated over visits: unstructured (kind 1), Toeplitz (2), continuous AR(1) (3).
// brms 2.18 has none of these. Rows are sorted by pattern of visits, then by patient, then by visit.
data {
  int<lower=1> N;
  int<lower=1> K;
  matrix[N, K] X;
  vector[N] Y;
  vector[K] prior_mean;
  matrix[K, K] prior_cov;
  int<lower=1, upper=3> kind;
  int<lower=1> m;                          // visits in all
  int<lower=1> P;                          // patterns
  int<lower=1> visits[P];                  // visits of a pattern
  int<lower=1> patients[P];                // patients with it
  int<lower=1> first[P];                   // its first row
  int<lower=1, upper=m> visit[N];
  vector[N] time;                          // in units of the gap over which the correlation is stated
  int<lower=1> G;
  int<lower=1, upper=G> group[N];          // of the residual SD
  real<lower=0> sigma_scale;
  real<lower=0> lkj_eta;
}
parameters {
  vector[K] b;
  vector<lower=0>[G] sigma;
  cholesky_factor_corr[kind == 1 ? m : 1] L;
  vector<lower=-1, upper=1>[kind == 2 ? m - 1 : 0] partial;
  real<lower=0, upper=1> rho[kind == 3 ? 1 : 0];
}
transformed parameters {
  // Autocorrelations from partial autocorrelations (Durbin-Levinson).
  vector[kind == 2 ? m : 0] lags;
  if (kind == 2) {
    vector[m - 1] phi;
    real left = 1;
    lags[1] = 1;
    for (k in 1:(m - 1)) {
      real r = partial[k] * left;
      vector[m - 1] before = phi;
      for (j in 1:(k - 1)) r += before[j] * lags[k - j + 1];
      lags[k + 1] = r;
      for (j in 1:(k - 1)) phi[j] = before[j] - partial[k] * before[k - j];
      phi[k] = partial[k];
      left *= 1 - square(partial[k]);
    }
  }
}
model {
  vector[N] residual = Y - X * b;
  matrix[kind == 1 ? m : 1, kind == 1 ? m : 1] whole = multiply_lower_tri_self_transpose(L);
  for (p in 1:P) {
    int n = visits[p];
    matrix[n, n] V;
    matrix[n, n] root;
    matrix[n, patients[p]] own = to_matrix(segment(residual, first[p], n * patients[p]), n, patients[p]);
    for (i in 1:n) for (j in 1:n) {
      int a = first[p] + i - 1;
      int c = first[p] + j - 1;
      real r = 1;
      if (i != j) {
        if (kind == 1) r = whole[visit[a], visit[c]];
        if (kind == 2) r = lags[abs(visit[a] - visit[c]) + 1];
        if (kind == 3) r = pow(rho[1], fabs(time[a] - time[c]));
      }
      V[i, j] = sigma[group[a]] * sigma[group[c]] * r;
    }
    root = cholesky_decompose(V);
    target += -patients[p] * sum(log(diagonal(root))) - 0.5 * sum(square(mdivide_left_tri_low(root, own)));
  }
  b ~ multi_normal(prior_mean, prior_cov);
  sigma ~ normal(0, sigma_scale);
  L ~ lkj_corr_cholesky(lkj_eta);
}
generated quantities {
  matrix[kind == 1 ? m : 1, kind == 1 ? m : 1] correlation = multiply_lower_tri_self_transpose(L);
}
