"""Keys that stand in standards and test suites: whoever reads them can sign with them.

Thumbprints only (RFC 7638, SHA-256, base64url), computed from the named sources; none may be configured as trusted.
"""

from __future__ import annotations

from typing import Final

_SOURCES: Final[dict[str, str]] = {
    "RFC 7515 appendix A.1 to A.3": """
        IsUn6_e04MaShXFIISMp4kG62LWzMIPy_MvSA5pJgX8 oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U
        y_x3gCJnL6oKGBBIXScabduwxTVy2Wd2bzRVEUbdUzc
    """,
    "RFC 7517 appendix A.1 (its RSA key is RFC 7638 3.1)": """
        cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s
    """,
    "RFC 7638 3.1; RFC 8037 appendix A": """
        NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k
    """,
    "RFC 7520 and 7797 (cookbook)": """
        9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI dHri3SADZkrush5HU_50AoRhcKFryN-PI6jPBtPL55M
        RtoRur_1Dir5M4wuOfqNkDYOf9O_4RJ-aHkTA75RLA8
    """,
    "RFC 8705 appendix A": """
        Fvi_j8Immo6AlgIwpZKqaXnNP_9b09pLKkQHObRebQY
    """,
    "RFC 9421 appendix B.1": """
        BHj8s0GPnMEQtkaULIM-PLgEhLBbuGUQ1vMxmBWZzEo oD0HwocPBSfpNy5W3bpJeyFGY_IQ_YpqxSjQ3Yd-CLA
        ydQXMtvbsOsZyFir-Y7A8t7fKEM1gbKPvyFkdpu4fvI poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U
        CB3RFzX-1pAtHPl7fOKnQgQV1gnrFFXGXoObwmcm4rY
    """,
    "RFC 9449 4.1": """
        0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I
    """,
    "Wycheproof ecdsa_secp256r1_sha256_p1363_test": """
        UB0bE6ogZhikgZQC5i4LIZIpUDDiJ6AnzpDOzOEwJiA rC40rZh4ODQ5Y3RKw0dLQBXkVQbkEpCHEoNyFzeSIMU
        UnGLajygjRCFie0aEyUb9y6Ec_ZohzbqY7sggZGL6Tk NfS0oxQdzGF5lJjYLKBc_Sf872ikLonkLwOgh9eRcDo
        8z43bh12WBbqeI1KrQKUk9F2OpQKykgMNg7K6tU4Z2w KFnL3Mxg4HlaUwa-qpVEzwLfNkwvvXfHfKPmfULPSIo
        -kH-tCDF-DyGL6ipsV12NsF-bXNdIEy38t5ILJBAjEk 4p31bDfBaUCudvHNmWBP2ukA08kkm2iqarsvImDkOGE
        tjuHBXhiUn71_uPQJyUIKCtx3bLMyyufNeB9Tq757ZY G29wWgnrj13qIi8w-twWYcyAbeqA7nx-D-H7Af_KPyo
        Z4OtRYO-6B9AFYPyPV94lmkrGTiYBeytaZFQKFkoEec uYgebPldCzhnC6dcIUiqDG2c1IGcitBdXh1xsWGWzcs
        gPo_RowfFTB_XgEjNT0NdwoEEydJ3SW2j1BGsCKcgl4 nLVdh5FK5eUOS_3pRnpTHBAp-Glum7Q9vk_quQ_t4Fk
        0bd_f9ctrOTAg3kWDwPubigzUTV1v1Hb2GuEEyhViC8 yiFjrsVhJOictY_MmwuEpMUL5cLD8CuRKC13cNAMtww
        6oCZoJd5DHhUF2LXxcOk5SGPdFs2jjNVm6rE00HXjDI BNiSrb-iMFhRSFuFHP-pjITNM6HgnECrNRfGTUoZ10c
        z4xN5AlhWBVBPmfzYR7dnme9N5eW3F1Tff9y6dpGvls y68td4cqI1Ujaq0b8__LJqtn5NPYlXrsl5NjzW0tP6w
        fab6wCTxnd0fqS6LQMuqphQA1cHzqllwKgL0Y3hHOTM K1T-kHKgdIDuFx7mOW_USTSZgyrDEj3H3vrIuGkDetM
        BK5Eovqrgd_0xDxLSquzgaiVQ7cJ4pdqHPZTMmo_t4M _qqmLSxd_HcQGiLk8Riu_ZGCqS5Lr4PYYWwv83DlxJY
        tofTTliDMaFfdXMW3b9tr185VclZiiSPbqTMrSoGU3Y crq3km6BB4QcAawX-KwK06ZZI34FAEzzKB4TJdyrmBs
        QBnWUB7PgzXMU0Im4i0uKLopW30SJ3opfXJ-fwxCYoU GsM-TefBNxz9zj8vNqeGQJQMJ8uQSI7BN68VxFnbL54
        TqeAvP_1qxMDix76QPIJ3SjOsyAPQw394SlDsBpnhUE AwRhFykMwRRqWRrJAFy0rvom6hRqxalZHXVBH3BWMJ4
        pteYk2nXrEa-gntTv7Xgc00nWfz_z4Dnd7to2aSyd3Y pSZSjKtHVA013faEHgzuEQcHndke5PvpDCcAeUZ8HDo
        KOU1XLoaVBP7vckzI8nIbxl1FnB4oPrUQX3i0jBsrQg bNVrFixwwsz_IRsakw8szwZPyLUNkSanuA_TB4oDHA4
        sMnJFs4ygIWjW-hpbZsgQ-a3goaz5djQawMT7nvIVjU G4Bv2-WeVMe98N_Mgr0HUQHbxvis3DjNJn3LQ4_oCpI
        xE3n8KutOhewQ5qytZk2iPtCwcVWKEZ9oaIlUQNG5hM reEI3Q_uIUUxDkKc5b9A2UvmFDta3XfmGNWtEmnUoiw
        DZClRf17fpR2VCcV6U1UyktEtyz7z-lv4-MT1LiVIaU 1U5lAUCmJwaKbK5RSPxpF9X3NkcvsLpLDDOku0K0EtM
        U7Dlu2YKAMxyQMzRe8wk71s-v3J8hZbaHL1eQJcEuVQ munlkrMMVrfsxvM-MJrTW5iTNDGGA3C5tw8WVfwrh8A
        WerN7YkHMcYsT02pLaHb6NZI7K3sLFpZBJxHlcYC9kg -QrGvGe1VBQ8cQsfkQn1xjmHOX-1odAyGH7fALXyd8s
        _VuYzkUjtz0K0OVdZrkno7UOB9Z_aZCa-PASgiOToeM 7jkTqlQ45ng0jWleLnSzwG5uQntZKTdMVijo1g0OgsA
        mwH2I5K-wRDYM5dO0EQUJUZ37GbwQhDPwr3BA7AIt9M aNomit12bTptELOA_0pCBUop4e01d4LyWEoZr38tu4k
        mL7xu9YBNOSidMB1214G-hqhcVxany_YuNN3pS6-bdo dFfcliKpRDrBl7aCv9j6XoEXXkzoTPgOTWvFLq61x9s
        2JzByaXRKcZnRvrYV32O40F-mYpm3gGhcJHG922fsn0 19-f6_CRF3WP-1zXB7eHCy9Tse37VB83rz9V3vG90bE
        dry2O_e3n64YPpMPE6mVINorn2zAx7NTXgkwg4kOPT0 isx7zXAnhA0GlFnjaBURMvDAf-_bZQm76RN9pksDKAI
        2SMvndCwYSwR44Kx1NFuw1MPZoEs_AtoOy4-FdFi5tg eGmAaPGRM2ms7oK5WYx7tbB9NE7jMosFyTi1GeQgbB8
        gU54Dyb9slHnl1nOzgymzhUjrTo-sjwbK3eA-cSuD40 gChsB7C7PI1y5Fo_jTWDoNFnyeSrXkKI4xhBbKpY6bA
        UXjmqRlx0Mv-ZKjtu9aTpHN-xmJtr4OAU9m7iY3I03k IA1PslwTwpQ3CVFdqtwfF25bVwwGhTk1O_XysOapasE
        T_ov3ZUxsn0SO8nfqWP1ci73MFaWfongGBpUFUVdQp4 GMIJyo5L91tisiYAciPGyD1yKDoOJtFt7JghuoLORAU
        i9IygakfU4AaIQKjfQ9XFqCw8zROzPrnsw_n0kili70 00ixXLTg03phhdqgR7-rA5zpJU4iKx-aLcajfg0zNHA
        cCzNjUaXpuea0vfb2BdM9vOSuLg0orRYXfhbnegh5rE AW5uMp7BcAY-2dUjIwKftedTo9ZZxOiWUg4GvZwO6KQ
        gEQyUEtjgYFXh8MEcQ5Epqa2b7WUpdtMNkYgo-wpkJM OfFN_xBjh3m7YY59hTHDaTWLXdhiSPYbWYrFvddwUQk
        uT1T_DkwaK43hbtSY-wu3mUwUZOkG6hu8W0REbpzZmw p8cNqq-ALX7eR0vwEgVdf0hZ730qzK-smnbZPBr5c38
        EqohCeM4J4myjypYl1IG8i2MHr_nEYWBI79Zt4cf39E 7xNvlmGD4L-DyFpf9IkOkv6uttQp3DFu0I0FVPQGeDU
        NZe8_EFcaLrFwuUcXhOmUeUOfsO0QD_aordXLu8iOH8 K62TTJBE8-VrpUsx6kfJeIiS8LGfwBwq053TvZlwH4k
        EXS96Obs8zEjnV7VTN8iPA_mHHDDZs9sdlHzzN6w7TA fkNuZk_CQRc4JtQ2rGSjBh-mqgR2OEq7q15nDP5zTzw
        UXNrONxq5oi3KReHrHVLRaAgyJocftAbDqp7q1wLeiQ Qz-MqR6R3Deby8yG7BPjqvPa7CfsLv2dLd7FrQZCA1U
        4AbHc-yiY6E6iqQnwU-CVnBkEAbhJbliI_BkbGidmrA MJx-_E67CySY0TlKBUUQehJwPX9QHP8IoR7saJyxZPo
        Jit_dHyI8cuw2q5WfYsz-NV30IJ7hQSHyzTcbafFFk4 mnrR4gm-EFQCQziZyhB0hhPl1KeGDsmEmQpxtuOaPNk
        08UHd2mEBzmZdNLIlGbfWcIK2CLU8dZo626-cKfXKus iev4zsJLtEDdiX6HHxjAEG1LVuAEn7ex0mXPliKzvf0
        9qu-r-CF9DsSVeFQq2TwCgi75Agd87C4YjWT2rGL73M Q3T5LJvpaIQSRv0AirhMfp4wK7OrTai_pKxBaq9qaMg
        QCdBUjL_DF_okNLnox5bJ3r5yKGJJahLhmttu1fGj_E 30Vt7eSzq61IsSti4szuzPduZ7kl9AYK9kAgnBIPVZU
        lL9otITcqHrgezzc64ed81Gp6fpS_Wqajf-PCfKOstg WRkDhPVcY92_Ro4VJzmU79NpW6nxUGwOhE_pfCyHjQw
        hTOhOPU9noNl0GVaxemzxHbCjtBs-ibJYBT0oc_yDA4 DL97q5bs_0ayodVIhkbL1tzAfhzGPTe924yQxvMg4oI
        xx0BcA-wMohw8atYDJOe6peGModklG2wRHBlXHMvl0M WUvr_3qhO1HgZwQzcjEwvNYMQct45rClzuRw4DNhrAA
        xbvIn0up7CTngBLgHDypjrI4Ju4SeOKVaYXIKUOVZOc cgLG_rNw4sY7Tvwmgal0Zub7NL6oyaiFV2D2aJ8jmQc
        GYfeeI_YK_9i3QBIFFGPVCZMmhb2p-Vkgp2rE4kEFf4 NOGj5wWkjZo6e3JqYWuUmNpNBD_o6D8SIqlw0ah9DNg
        HWZ1PqXMkr1nzwvfvWQppfqcx61aQRO2_V4boqwB8kQ IG-Mm_cVyj0INJLcUaRYvyZFGibgY7_Fio9qxTN77Tg
        vpZkVX2NCqNfECaPXDIuTkKQgur6PJ-D7UDan3baLSU S_Se4QjEiev_LTqSINRD17OkN5cQ-jT4BrikU6RLhGk
        _Jlc0vqAYrlK0-ilNdiPI7Eg8a1am84vHzX8V_mSKjk 9v96rNarbOGZm6y2seh1Th50fIsjwF9KG_xssH9_BHs
        iscQYfLUwL_vVXCpVP_ehg4S5dZ-ajNs_sykrHvb7rQ Vz-2Ab2mTcMpHY2YnEzU5otlKHgxK1B0rg07r_5n8mE
        W6a59EZjSFV_8bMBHQ9vQAbpZh4_ZFm98LS_QFMLO9c Uq-bZXEPaSnDpoVEhKQF8JTbrJ4Sv5TvVxR3s-EL6ao
        4vckMH0A8eayZg3gSuWbxf9e29oE2CxSOUApas2Qf-M c9byxkqwRfVrhF5td7PGCz9j6QRreO7tqnW3PyNqOjI
        KjBC-8X6OUQybCZMarxb8KEtB6afxkske2VgTlByQ6M
    """,
    "Wycheproof ed25519_test": """
        whzXN9WPd2qZyKXCZmDMlU5TGQjzRHZa496Dj1K0ZAs e1A_70UPZow2psBhMg1fT7K5FfRtkrK-PJKgGbWB6Uk
        FtIu-VbGrfe_KB6CH7GNwODB72MNxj_ml11dEvO-7kk FVV5umTuau890q59V-4Ga_R6qWb7ON_ivJc4EjvCwTM
        lZI1vM7tnlYapaF5-cy86ptx0tT_8Av721hhiNB5ti4 fOMEqq_d_lHk9njMG9Di4cCUh-SD7xnYgmX-DNIaXtg
        hC6TrKC7cIa1Eh9UwDx0bOzbPvxl2o7SWP-ze1YKOYo 0yAmAD_Rq2nWsFeFySKcqSyDnpG8OmCdlaXUDWEZDlA
        yYZzAANgxJZrn0_Xmuub5G8M8vE_hx2nyfvkDzvsLC8 z9x99mdQbTbp9EE3CveGbcvFawe2YYeVzMyXarJR4RY
        jui55eEOZHrvkzTiGMHDT9QJsM9JVgNe8XCTqIfOarI Pq6kYiPHI9F2y2mSiu2luIFSNnfy5wlMv5J7LvdV5TA
        OHfZjUsAOp2W3QisLxCKi-BA9DfQPrkJ4OjlGiyj3j0 -fBQpbhoYuXZyy0lATTQof-fWhUfvELPQNOeBaRUU5E
        2FFVkBVa5lMc96Ngrrys1lNZ6mlJhYJaVl3PIAEc_P4 K-Kw3M5tCYxYctoUy9MT50YxfuS2J3y-k75z5LuYQUw
        wQdP5aYhRafkBsQ_B4_RHCugnNA90QdDYQR_tPBBW1g Uuz8t0hRTWdU2bUvP7LSptIUwgoDNhz3KgwdFTwzmIA
        xmHiqP64V-LNYDo2wpY1ZZt3lfxTC1l0-eHk-nebUQg L0JQQwXq2LW0RQYee_LAxcf8lrhrPnfVD70AoPa1crA
        8_U30A4ZFpFy_KIMQulIRpLaOLfY_c-ODkbkubfM8Zw k34L9rg72zwxQGCs8m4R4ZlTabrTFAQYtnGkqlDpRZE
        7WD0ZuODRd1Q-blLlvZGOsZr4oEM-OUS3S9zt5PvLg4 YeMmn1YsKzNnqzEbEXrvHFpK6K8TtH6uAO1GcBMzT-I
        _Y870kQPJ6Ezp4ksNiK9Uyv2DNJp_G4XwXX9mPHjL04 F3ab41-HCha0I6hYXqNUnGPh-4aIDD0AQyih-283F6Q
        DysFOxcdoxG8ExFqikniq7K00AUjWIfJkg-_n7lqIV4 K5uzOQ1qRZdYvYuLL0EBsR6iU495LRKDlcYe9JTlY5k
        BkxbZ4AigOueYRGfYU6IEhykxDZZOwaEtMTRIgpY60Y iCJSSvLGgVMOGEt5qSYgxcSPEA6Oa_5b1AKIpn8cHcc
        TLSU3VBWK9UYDYSUhIdnIXh3xMjTqHcP7JSqN8cWMDU Qb9gCx72qlnjNIG-WspnoAIOio_7GhkBkoAFb_lw9WM
        8AbwgFWAicbNVlgEHX-W_PWzRkFAerLhs8XOF_iQsRk Sn1Jsy5i4tG4xxMBfSLnEcz6srcUiCUmEjTq7jDJoWo
        daNjRR9Y7EfgHQRLnTTzOD1J35pWrGJMZ9qRSt4vrLI UQ5CAj6tXBRYNOUl031HGjso00smvmNrztOZEyYkbHA
        coX4jB48cxgdIlPNlKbFbnum_zy8Vzt6duLHfoOthgI K2iEY2aPmKDnW3ipRiInvjFGhEdbPkX8Zgnn83h4fVU
        pWPDo6KeHBHh6qlPNWaRYBso7CdNXh0AU-N79CnWoxU FzSIljDTywWR2jmMtK3ONf2Qujb8w7aNQHPGO4OIrJo
        Ka071NjjG4RE8f0-zIIrSXKwOdjz6utY3_r6NTYv1VA Ta4OzWMUYjEI90q3B8PvhhjQCkjwkmDDl2t-EXsOLss
        1FlqKirw8V-zvcLC2dju2v7udfkS7Pqs8mnskH24yF4 hId93aSKN_xG5WWR-esqGLPr_UGBQ-LkbiXE-OKvCTY
        LpIYIXlyviL7or8b78YH8sFO_pPgbfiOBzxMzNrhS_Y 91z8MqGfVx04oH0W3kt1CIWksZR7vbAoo2LQZOj3tlY
        hrmi8BUJh8Q117nIlsQRN4yYPexjq_1mbH0Xni4Rp1Y sIjtj86vwJpaSSwpRi_N2X0Xm6UxS5wLBXqS8Pc8qH4
        h2OTIyyCsLpF8bhfO88IUeKX2LQWT57LbnF52bg4jDk 8I-1AW-FGk1q2HUQgkhAlXVRwYyLN4bXgGkNHNvqDiY
        __udjuGg7grJEFuqnOsWzaK5JOY1lTGA4Vp1zUpd8KY
    """,
    "Wycheproof rsa_pss_2048_sha256_mgf1_32_test": """
        eLx7cyKbcDMHSL_1LbVriUzfZG-p_W2rjxLJrg9teck
    """,
    "Wycheproof hmac_sha256_test (32 bytes and more)": """
        eJwZJe5WTJBbaVfQfH5J4PHY-_loo4sKKQqRLNRkSTI hnVxI3TH7_lVNbr2rBcQ5hbDgJ1rkJ2fGebl7O90HYA
        UKmLLnblPkZBfLLHaNmVq4E3qlSApSgW2JaAA7vXJ4Q HfbWcCHelcGiM_huqDzvnLKEidvaIbEdBsQTtV7wYYg
        ZwaeO-sPLmr6-UXO1ygJH04fcLtmaziCNd7PyYZORQE ea9bHO65LeNCiNmvsFyPVgpe01N22Txh8874GIcSeek
        -RD6anfm80QJyvlSjwYR_3CwQX9z3FN4HO7ZsO0Qg_c FeOi7dUhWftXA5NVkrbgI_OVG8QDDpVO4OpoBt462nU
        DxcTbekzLhfPX2S92Rr751NNF-SVrxEhYVRO3RHdayw cqo3yEkNU2nrSzja2kNLJaWkDaspGjTazHmOCjbGlko
        TPzucwtU1nIi4vyve-2J4zeO2qaa9oKeyknjEq2RYm0 ZkJbeC7si8z-8spJOFLjg2VH5sBSPNEmg1QyOg0SSxA
        hgzumbsS1OC49xMOvIC7D-8ZvxHOgZROQnRB0FBcTzE k1aJetgP3xxx-aCZXusI648UbXLhI-bDgqag_iSUBv0
        4xVByWDg2XFiiyHAQ6Voh-zkrJBa2SjUCmRZARY-2-0 h4eLDrXoXBCrR0dcNgbvfLb6zX7Wkgom2Pzd7DN2-hM
        05PxAi7me0v1L2lKYkF99X0uuYc_iXQ2eHZGBLxkjpM _IRjI1LNZW1IQHXS91rYXmJAitAxQPd30nB7KsiIlb0
        1855KPH3kjE8aUk4sKog_tXSqqUF9jl454oCWFMWB6M y4ddELTWqxbNayXTm3-d5kLWma1M2614uIEjgNEa3Is
        2AcE3SaEmwqUeTahKISYmXZod-I4ZhlXF8mwAoHYPDg di6rgmYVkUQOYbZaKLcOCcMrKbW4ZU6Pg_mYAjb2kLs
        hWDdbrGHBC7IMokZJ3d8aIUjq8yLGLwoRiIdVm8fAlo -EOQqA0t5kDRm_jB07PYcYObIKyQ7FsdWwAdPPfmRJU
        7dN9FuLbELOA8M5UlPy0Mw5rtAs80vKuqnpeL0GR2Aw C4Y-1IOqBPlOHQ2LI8hnRAJyA-kCLICIXiiQuaX7SN8
        o2U7op_thvAtu2BFDtC4-n7XWgyj2QUhmlzi_S1bFEw WqjPPRvAP8oYbAqCwMErhzTg-Quaz-vLx_cef07yhOs
        SZBjkVHdIgGfBa_pwGt5oOh9oAIYw56Fzb0EMSZ4FTM 9PNrtD8bqDJsfaml1y6dmA6so9-WQPPu5lwBJfDvJig
        KWG-5OPzh6TfOhVIuwNzg9YQUyE3ixtiMyE7hzyd-d8 447X1Npr76BZpOFXC8CQCN25vAKZOUzFPwZUFDNkrMU
        f4vw0HTGIm7Z9nPEG6c6klGKK3iCzXTg2AKrgSzvk5U h4iYJqYzDNLwaAJNDCr21fzZ07pqOZqFKKyDp2cG-5Q
        ndE56G4-NY8R5KIs1sWd6nDbdSa59eTt_3xA82lm-rQ oghdoCIDdbLH-uxJqGmN6IOpDM0T0y5GXPha-_dULGM
        9mnD2ObJwv9GjjZxXHy0BprEkM2rULZ5dYZuQOJOGak hIwPHAS7WWqV89qVHPYxjP0lj-UIAIIoRuasRBMhkFs
        U2KXRtDg8xaE6PahM0KlHyX8w6_yN8rFHZxBUZHEb-M PWdVnVM8upo-jqs6Y2aG0iUO0xzVMbN4ochdpMjJc6c
        2ndLLp-kv67u6p-Jg7zNOJS9VS7RFHm-FRJ9ruFPruo weYHoU8Yxhs9OQ1cAk_zefGYLAXZ7c4c4jr3hntkAd4
        Wyonx0CHO4_kdA9zHXHN99a6yxkjug1wpGMIZ4HO-ZI 6_CZHMdnQ058JIakRZalQrsi0XRwtFjeDhqOWxMIkCA
        T5P9WaiJsc_aOgbJAErzs3Le1irwCT7f84xTsbxSk18 aBNqoT_38eULm1R8ruWyfnxlILvwU61YyFnVSB84jkU
        _HyYDRHQZpEH_6PxgudBy09VPPMikN8TJRdNnPvtLzc CFHmen9kPSDR9FLY1HGBxlDFis-0GyQrY0PRdENPCHM
        hamsmfS6DABH3x5wDBKFZ57nDA-DhuyiULEEX8x6vc8 _nxs6Re7f6wTvXpr8DucQ5VElEOfm54jH025UnhviEI
        OvLQN8itHHugjwMZFndjKiqtEwlbMGUTJRgyNllVWY8 nyaLngf4mJkQ2sF8_0PEwk0DUsp3HfQP_km9zECQ4DA
        WlNBHMWPM7xgWNhGAV7U8ubVpFDApJWawPJfO76B0s8 Ka0Uv7k3MUhvyERpHmPG5dNgRLd0vsOAhJnbVlpXcQk
        CfDkRQpekH50E4RthPAulmnsocuO_iouJkwFWMlIcrI DNr-2eiUMeHXE_s5w_8SwltbXBD_WFgUWkj7qSctRxc
        3XnygVSJbB8caA18OepLuTntGhKhoVsXnXMbuE5hE3U mLcrXNnqfGVgn5AM50CS7G0QIasWgxznD699L_2mWIE
        _HSYq9KogFWawYHH1G9EYO2JHM4KmBKVvP6tusOcV8c NydLmMEmjujANlFpASWokDqVOMYFDgoJmxcQb8IzZM0
        HH4dcQf15CDg6SbPaXZWAEyXLVRvUrsHXyDqknK7Hrk
    """,
}

PUBLISHED: Final[frozenset[str]] = frozenset(" ".join(_SOURCES.values()).split())
"""Thumbprints of every published key; symmetric secrets as RFC 7638 thumbprints of their oct form."""
